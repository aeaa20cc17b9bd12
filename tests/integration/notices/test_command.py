"""`laurel notifier` says what it cannot start with, and with --test which channel takes a message."""

import asyncio
import json
import os
from pathlib import Path

from tests.harm.webhook import Webhook
from tests.integration.notices.conftest import MakeWebhook
from tests.worlds import warm
from tests.worlds.notices import NoticeWorld


async def laurel(world: NoticeWorld, *options: str, to: list[Webhook], **more: str) -> tuple[int, str, str]:
    """Run it to its end: exit code, and what it wrote."""
    own = world.environment | {"NOTIFIER__URLS": " ".join(hook.url for hook in to)}
    return await warm.laurel("notifier", *options, **{**os.environ, **own, **more})


async def test_a_trial_says_which_channel_takes_a_message(world: NoticeWorld, webhook: MakeWebhook) -> None:
    good, bad = await webhook(), await webhook(behave="vanish")
    none, both, told = await asyncio.gather(
        laurel(world, to=[]),
        laurel(world, "--test", "--json", to=[good, bad]),
        laurel(world, "--test", to=[good, bad]),
    )

    assert none[0] == 2
    assert "NOTIFIER__URLS is not set" in none[2]

    assert both[0] == 1
    took, refused = json.loads(both[1])
    assert (took["taken"], took["problem"]) == (True, None)
    assert (refused["taken"], refused["problem"]) == (
        False,
        f"{refused['channel']} did not take the message",
    )

    assert told[0] == 1
    assert told[1].splitlines()[:2] == [
        f"1 of 2: {took['channel']} took the message",
        f"2 of 2: {refused['channel']} did not take the message",
    ]
    assert "numbered as in NOTIFIER__URLS" in told[1]

    assert good.titles == [f"{world.model}: Laurel notifications work in this channel"] * 2
    assert "canary" not in "".join(text for said in (none, both, told) for text in said[1:])


async def test_a_trial_finds_a_template_that_would_stop_the_start(
    world: NoticeWorld, webhook: MakeWebhook, tmp_path: Path
) -> None:
    (tmp_path / "promoted.txt").write_text("$model by $nobody", encoding="utf-8")
    hook = await webhook()
    folder = {"NOTIFIER__TEMPLATES_FOLDER": str(tmp_path)}
    code, _, said = await laurel(world, "--test", to=[hook], **folder)
    assert (code, hook.titles) == (2, [])
    assert "promoted.txt: names $nobody" in said
