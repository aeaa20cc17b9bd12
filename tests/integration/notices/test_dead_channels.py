"""A dead channel stops nothing, and no address is told to anybody."""

import asyncio
import sys
from pathlib import Path

from service.adapters.apprise.channel import open_channels
from tests.harm.webhook import PASSWORD, Webhook
from tests.integration.notices.conftest import MakeWebhook
from tests.worlds.notices import NoticeWorld

_PROJECT = Path(__file__).parents[3]


def name_of(webhook: Webhook) -> str:
    """What its channel is called."""
    (channel,) = open_channels([webhook.url], timeout_seconds=1)
    return channel.name


async def test_dead_channels_are_given_up_and_the_others_hear_of_everything(
    world: NoticeWorld, webhook: MakeWebhook
) -> None:
    dead = [await webhook(behave=behave) for behave in ("vanish", "refuse", "hang")]
    world.webhooks = [*dead, good] = [*dead, await webhook()]
    async with world.notifier(NOTIFIER__TIMEOUT_SECONDS="1") as notifier:
        for number in range(3):
            await world.announce("failed", f"event {number}")
        await notifier.has_taken(3)
        for each in dead:
            given_up = ('outcome="given_up"', f'channel="{name_of(each)}"')
            assert notifier.counted("laurel_notices_total", *given_up) == 3
        assert len(good.heard) == 3
        refusing = dead[1]
        assert refusing.asked == 2 + 1 + 1  # the settings' tries, and then one for each message
        refusing.behave = "take"
        await world.announce("failed", "event 3")
        await notifier.has_taken(4)
    assert (len(refusing.heard), len(good.heard)) == (1, 4)


async def test_what_a_channel_refuses_for_its_bytes_comes_shorter_and_in_the_end_short(
    world: NoticeWorld, webhook: MakeWebhook
) -> None:
    world.webhooks = [hook] = [await webhook(takes_bytes=400)]
    async with world.notifier(NOTIFIER__TRIES="4") as notifier:
        await world.announce("failed", "long", message="Die Häuser 住宅 " * 100)
        await notifier.has_taken(1)
    told = [(one["title"], one["message"]) for one in (*hook.refused, *hook.heard)]
    sizes = [len(body.encode()) for _, body in told]
    assert len(set(told)) == len(told) == 4
    assert sizes == sorted(sizes, reverse=True)
    assert [one["message"] for one in hook.heard] == ["laurel show run-17"]


async def test_no_address_is_in_any_output(world: NoticeWorld, webhook: MakeWebhook) -> None:
    """At the most talkative level, with a channel that takes messages and ones that do not."""
    world.webhooks = [good, *_] = [await webhook(behave=one) for one in ("take", "refuse", "vanish")]
    environment = world.environment | {"LOG__LEVEL": "DEBUG"}
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service.cli", "notifier", "--json"),
        cwd=_PROJECT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert command.stdout is not None
    said = b""
    try:
        while b'"event": "running"' not in said:
            said += await asyncio.wait_for(command.stdout.readline(), 30)
        await world.announce("failed", "event 1")
        while b"record_told" not in said:
            said += await asyncio.wait_for(command.stdout.readline(), 30)
    finally:
        command.terminate()
        rest, _ = await command.communicate()
    said += rest
    assert command.returncode == 0
    assert len(good.heard) == 1
    assert said.count(b"notice_given_up") == 2
    assert b"canary" not in said
    assert PASSWORD.startswith("canary")
    assert f":{good.port}".encode() not in said
