"""Whose call it is, whether it may pass, and how often a refusal is written down."""

import asyncio
from ipaddress import ip_network
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from service.runtime.health import Readiness
from service.runtime.web.clients import Clients
from service.runtime.web.connection_limits import RefusalLog
from service.runtime.web.host_and_origin import Entrance
from tests.kit.eventually import eventually

log = structlog.get_logger("tests")
TRUSTED = ("10.0.0.0/8", "192.0.2.7", "2001:db8::/32")


def call(peer: str = "10.0.0.1", method: str = "POST", path: str = "/predict", **headers: str) -> Any:
    said = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return {"client": (peer, 4), "method": method, "path": path, "headers": said}


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "1.2.3.4, 203.0.113.9", "203.0.113.9"),  # the first is what the caller says of itself
        ("10.0.0.1", "203.0.113.9, 10.0.0.2 , 192.0.2.7", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "203.0.113.9:8080", "203.0.113.9"),
        ("10.0.0.1", "[2001:dead::1]:443", "2001:dead::1"),
        ("2001:db8::1", "::ffff:203.0.113.9", "203.0.113.9"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "nobody knows", "10.0.0.1"),
        ("10.0.0.1", "evil\x1b[2J, 10.0.0.2", "10.0.0.2"),
        ("198.51.100.1", "203.0.113.9", "198.51.100.1"),
    ],
)
def test_the_last_address_that_is_not_trusted_is_the_clients(peer: str, forwarded: str, client: str) -> None:
    trusted = Clients([ip_network(each) for each in TRUSTED])
    assert trusted.of(call(peer, x_forwarded_for=forwarded)) == client
    assert Clients().of(call(peer, x_forwarded_for=forwarded)) == peer


def test_proxies_that_add_a_header_each_are_followed_as_well() -> None:
    scope = call()
    scope["headers"] = [(b"x-forwarded-for", hop) for hop in (b"203.0.113.9", b"10.0.0.9")]
    assert Clients([ip_network("10.0.0.0/8")]).of(scope) == "203.0.113.9"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, None),
        ({"origin": "http://door:80", "host": "door:80"}, None),
        ({"origin": "https://evil.example", "host": "door"}, "cross_site"),
        ({"origin": "null", "host": "door"}, "cross_site"),
        ({"origin": "http://door:81", "host": "door:80"}, "cross_site"),
        ({"sec_fetch_site": "cross-site"}, "cross_site"),
        ({"sec_fetch_site": "same-site"}, "cross_site"),
        ({"sec_fetch_site": "none"}, None),
        ({"sec_fetch_site": "same-origin", "origin": "https://outside", "host": "inside"}, None),
        ({"sec_fetch_site": "cross-site", "origin": "https://pages.example"}, None),
    ],
)
def test_a_call_that_changes_something_comes_from_no_other_sites_page(
    said: dict[str, str], reason: str | None
) -> None:
    entrance = Entrance(log, origins=["https://pages.example"])
    for method in ("POST", "PATCH", "PUT", "DELETE"):
        refusal = entrance.refusal(call(method=method, **said))
        assert (refusal and refusal.reason) == reason
    assert entrance.refusal(call(method="GET", **said)) is None


@pytest.mark.parametrize(
    ("host", "passes"),
    [
        ("door.example", True),
        ("DOOR.example:8080", True),
        ("[::1]:80", True),
        ("evil.example", False),
        ("", False),
    ],
)
def test_only_hosts_that_are_allowed_are_answered_besides_probes(host: str, *, passes: bool) -> None:
    entrance = Entrance(log, hosts=["door.example", "[::1]"], probes=frozenset({"/health/ready"}))
    refusal = entrance.refusal(call(method="GET", host=host))
    assert (refusal is None) is passes
    assert entrance.refusal(call(method="GET", path="/health/ready", host=host)) is None


async def test_a_flood_of_refusals_is_one_line_and_one_more_for_each_interval() -> None:
    refused = RefusalLog(log, interval_seconds=0.05)
    with capture_logs() as lines:
        for _ in range(1000):
            refused.tell("refused", reason="no_token", client="a", path="/x")
        refused.tell("refused", reason="no_token", client="b")
        assert [line.get("count") for line in lines] == [None, None]
        await eventually(lambda: len(lines) == 3)
        await asyncio.sleep(0.1)
        refused.tell("refused", reason="no_token", client="a")
    assert [(line["client"], line.get("count")) for line in lines] == [
        ("a", None), ("b", None), ("a", 999), ("a", None),
    ]  # fmt: skip


async def test_many_clients_are_told_as_others() -> None:
    refused = RefusalLog(log, most=10)
    with capture_logs() as lines:
        for number in range(1000):
            refused.tell("refused", reason="no_token", client=f"client-{number}")
    assert [line["client"] for line in lines][-1] == "others"
    assert len(lines) == 11


async def test_services_are_asked_once_however_many_want_to_know() -> None:
    asked = []

    async def ping() -> None:
        asked.append(1)
        await asyncio.sleep(0)

    readiness = Readiness({"kafka": ping})
    answers = await asyncio.gather(*(readiness.missing() for _ in range(500)))
    assert [*answers, await readiness.missing()] == [{}] * 501
    assert len(asked) == 1
    readiness.forget()
    await readiness.missing()
    assert len(asked) == 2


async def test_one_caller_that_goes_away_does_not_end_the_look_of_the_others() -> None:
    go = asyncio.Event()
    readiness = Readiness({"kafka": go.wait})  # type: ignore[dict-item] # its True is nobody's
    first, second = (asyncio.create_task(readiness.missing()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    go.set()
    assert await second == {}
