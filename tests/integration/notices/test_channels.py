"""A channel takes one message in bounded time, follows nobody elsewhere, and never tells its address."""

import asyncio
import logging
import re
from contextlib import suppress
from pathlib import Path

import pytest

from domain.errors import Stop, TryLater
from domain.notices import Notice
from service.adapters.apprise.channel import AppriseChannel, open_channels
from tests.harm.proxies import FaultProxy
from tests.harm.tls import Authority
from tests.harm.webhook import PASSWORD, Webhook
from tests.harm.wire_formats import Http
from tests.integration.notices.conftest import MakeWebhook
from tests.kit.eventually import eventually

NOTICE = Notice(event_id="e", subject="failed", severity="failure", title="a title", body="a\nbody <b> & *c*")


def channel_to(webhook: Webhook, seconds: float = 2.0) -> AppriseChannel:
    (channel,) = open_channels([webhook.url], timeout_seconds=seconds)
    return channel


async def refused(channel: AppriseChannel) -> str:
    with pytest.raises(TryLater) as later:
        await channel.send(NOTICE)
    assert later.value.reason == "channel_unavailable"
    assert later.value.message.startswith(channel.name)
    assert "canary" not in later.value.message
    return later.value.message


async def test_a_webhook_behind_a_company_ca_is_told_when_that_is_trusted_and_only_then(
    webhook: MakeWebhook, tmp_path: Path
) -> None:
    authority, hook = Authority(tmp_path), await webhook()
    async with FaultProxy(hook.port, Http(), tls=authority.server("127.0.0.1")) as front:
        url = f"jsons://127.0.0.1:{front.port}/path"
        for trusted, heard in ((None, 0), (str(authority.file), 1)):
            (channel,) = open_channels([url], timeout_seconds=5, trusted=trusted)
            with suppress(TryLater):
                await channel.send(NOTICE)
            assert len(hook.heard) == heard


async def test_a_message_arrives_as_it_is(webhook: MakeWebhook) -> None:
    hook = await webhook()
    await channel_to(hook).send(NOTICE)
    (heard,) = hook.heard
    assert (heard["title"], heard["message"], heard["type"]) == ("a title", NOTICE.body, "failure")


@pytest.mark.parametrize("behave", ["refuse", "vanish", "redirect", "hang", "drip"])
async def test_what_does_not_take_it_is_unavailable_in_bounded_time(
    webhook: MakeWebhook, behave: str
) -> None:
    hook = await webhook(behave=behave)
    elsewhere = await webhook()
    hook.elsewhere = f"http://127.0.0.1:{elsewhere.port}/"
    await refused(channel_to(hook, seconds=0.3))
    assert elsewhere.asked == 0


async def test_one_that_never_ends_its_answer_is_not_asked_a_second_thing_meanwhile(
    webhook: MakeWebhook,
) -> None:
    hook = await webhook(behave="drip")
    channel = channel_to(hook, seconds=0.2)
    assert "did not answer within 0.2 s" in await refused(channel)
    assert "did not take the message" in await refused(channel)
    assert hook.asked == 1
    hook.behave = "take"
    await hook.stop()
    await hook.start()
    await eventually(lambda: _sent(channel))
    assert len(hook.heard) == 1


async def _sent(channel: AppriseChannel) -> bool:
    try:
        await channel.send(NOTICE)
    except TryLater:
        return False
    return True


async def test_what_libraries_log_while_a_message_is_sent_reaches_no_log(
    webhook: MakeWebhook, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    good, bad = await webhook(), await webhook(behave="vanish")
    channels = open_channels([good.url, bad.url], timeout_seconds=2)
    await asyncio.gather(*(channel.send(NOTICE) for channel in channels), return_exceptions=True)
    assert len(good.heard) == 1
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize(
    "bad", ["nonsense://canary", "canary", "slack://canary", "json://", "mailto://user:canary@"]
)
def test_an_address_that_cannot_be_read_is_told_by_its_place(bad: str) -> None:
    with pytest.raises(Stop) as stopped:
        open_channels(["json://127.0.0.1/", bad, bad], timeout_seconds=1)
    assert stopped.value.reason == "channel_unusable"
    assert "number 2, 3 of 3" in stopped.value.message
    assert "canary" not in stopped.value.message


def test_no_address_is_a_reason_not_to_start() -> None:
    with pytest.raises(Stop, match="NOTIFIER__URLS is not set") as stopped:
        open_channels([], timeout_seconds=1)
    assert stopped.value.reason == "channels_missing"


def test_the_same_address_twice_is_one_channel_and_others_have_other_names() -> None:
    urls = ["json://127.0.0.1/a", "json://127.0.0.1/a", "json://127.0.0.1/b"]
    first, second = open_channels(urls, timeout_seconds=1)
    assert first.name != second.name
    assert first.name == open_channels(urls[:1], timeout_seconds=9)[0].name


def test_every_documented_address_can_be_read() -> None:
    page = (Path(__file__).parents[3] / "docs" / "notifications.md").read_text(encoding="utf-8")
    table = page.partition("| where to | address |")[2].partition("\n\n")[0]
    urls = [url for url in re.findall(r"`(\w+://[^`]+)`", table) if "…" not in url]
    assert len(urls) == len(table.strip().splitlines()) - 1
    assert len(open_channels(urls, timeout_seconds=1)) == len(urls)
