"""A notifier dies around a message: nobody is told twice, and what nobody knows is noted."""

import asyncio
import signal

from config.topics import notices_group
from handlers.notice import TOLD
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.group_start import begin_new_at_end
from tests.integration.notices.conftest import MakeWebhook
from tests.integration.reload.processes import process
from tests.worlds.notices import NoticeWorld

_KILLED = "tests.integration.notices.killed_notifier"


async def test_a_notifier_that_is_killed_around_a_message_doubles_none(
    world: NoticeWorld, webhook: MakeWebhook
) -> None:
    """Before it was sent, and after it arrived: side by side, each in a world of its own."""
    other = NoticeWorld(world.folder, world.bootstrap, world.url, world.publisher)
    for each in (world, other):
        each.webhooks = [await webhook()]
    await asyncio.gather(_killed(world, "before", arrived=0), _killed(other, "after", arrived=1))


async def _killed(world: NoticeWorld, when: str, arrived: int) -> None:
    (hook,) = world.webhooks
    await begin_new_at_end(KafkaConnection(world.bootstrap), notices_group(world.model), TOLD)
    await world.announce("failed", f"{world.model} 1")
    async with process(_KILLED, when, environment=world.environment) as first:
        assert await asyncio.wait_for(first.wait(), 30) == -signal.SIGKILL
    assert len(hook.heard) == arrived
    async with world.notifier(NOTIFIER__TIMEOUT_SECONDS="1") as notifier:
        await notifier.has_taken(1)
        assert notifier.counted("laurel_notices_total", 'outcome="unclear"') == 1
        await world.announce("failed", f"{world.model} 2")
        await notifier.has_taken(2)
    assert len(hook.heard) == arrived + 1
