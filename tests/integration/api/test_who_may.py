"""Every page without, with a wrong and with the right credential; and not too often."""

import signal
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from tests.kit.eventually import eventually
from tests.worlds.api import (
    OTHER,
    PASSWORD,
    TOKEN,
    USER,
    ApiWorld,
    basic,
    bearer,
    door,
    ready,
)

OPEN = {"/health", "/health/live", "/health/ready"}
WRONG: tuple[dict[str, str], ...] = (
    {},
    bearer("not-a-token-of-ours"),
    {"Authorization": "Bearer"},
    basic(USER, "not the password"),
    basic("somebody", PASSWORD),
    {"Authorization": "Basic %%%"},
    {"Authorization": TOKEN},
)


def _pages(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for path, operations in document["paths"].items():
        for method in operations:
            yield method.upper(), path.replace("{", "").replace("}", "")


@pytest.mark.parametrize(
    ("document", "right", "others"),
    [
        ("/openapi.json", bearer(TOKEN), basic(USER, PASSWORD)),
        ("/api/v1/openapi.json", basic(USER, PASSWORD), bearer(TOKEN)),
    ],
)
async def test_every_page_asks_for_its_own_credential(
    client: httpx.AsyncClient,
    world: ApiWorld,
    document: str,
    right: dict[str, str],
    others: dict[str, str],
) -> None:
    described = (await client.get(document, headers={"Authorization": ""})).json()
    pages = [page for page in _pages(described) if page[1] not in OPEN]
    assert len(pages) >= 4

    for method, path in pages:
        for wrong in (*WRONG, others):
            refused = await client.request(method, path, headers={"Authorization": "", **wrong})
            assert refused.status_code == httpx.codes.UNAUTHORIZED, (method, path, wrong)
            assert refused.headers["WWW-Authenticate"].startswith(("Bearer", "Basic"))
        passed = await client.request(method, path, headers=right)
        assert passed.status_code not in {401, 403, 500, 503}, (method, path, passed.text)
    assert await world.in_kafka() == []


async def test_health_asks_for_nothing(client: httpx.AsyncClient) -> None:
    for path in OPEN:
        assert (await client.get(path, headers={"Authorization": ""})).status_code == httpx.codes.OK


async def test_a_door_without_a_credential_is_closed(world: ApiWorld) -> None:
    nothing = {"API__TOKENS": ""}
    settings = world.settings(**nothing)
    assert not settings.api.tokens
    async with door(world, **nothing) as client:
        await ready(client)
        answer = await client.post("/training-requests", json={})
    assert (answer.status_code, answer.json()["reason"]) == (403, "door_closed")


@pytest.mark.parametrize(
    "wrong",
    [
        {"API__TOKENS": f":{TOKEN}"},
        {"API__TOKENS": f"{'n' * 201}:{TOKEN}"},
        {"API__TOKENS": "tests:short"},
        {"API__BASIC_USER": "u" * 201},
    ],
    ids=["no name", "a long name", "a short token", "a long user"],
)
def test_a_credential_under_which_no_request_could_be_taken_is_refused_at_start(
    world: ApiWorld, wrong: dict[str, str]
) -> None:
    with pytest.raises(ValidationError) as refused:
        world.settings(**wrong)
    assert TOKEN not in str(refused.value)


def test_spaces_around_a_token_are_no_part_of_it(world: ApiWorld) -> None:
    tokens = world.settings(API__TOKENS=f"one : {TOKEN} , two:{OTHER}").api.tokens
    assert {name: token.get_secret_value() for name, token in tokens.items()} == {"one": TOKEN, "two": OTHER}


async def test_a_flood_of_one_caller_is_bounded_and_others_are_served(world: ApiWorld) -> None:
    async with door(world, API__ASKS_PER_MINUTE="3", API__CALLS_PER_MINUTE="10") as client:
        await ready(client)
        asked = [await client.post("/training-requests", json={}) for _ in range(5)]
        looked = [await client.get("/training-requests") for _ in range(8)]
        other = await client.post("/training-requests", json={}, headers=bearer(OTHER))

    assert [answer.status_code for answer in asked] == [202] * 3 + [429] * 2
    assert [answer.status_code for answer in looked] == [200] * 5 + [429] * 3
    assert int(asked[-1].headers["Retry-After"]) > 0
    assert other.status_code == httpx.codes.ACCEPTED
    assert len(await world.in_kafka()) == 4


async def test_behind_a_balancer_it_knows_its_callers_and_its_names_and_leaves_in_order(
    world: ApiWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    names, proxies = {"API__ALLOWED_HOSTS": "door.example"}, {"API__TRUSTED_PROXIES": "127.0.0.0/8"}
    async with door(world, API__DRAIN_SECONDS="600", **names, **proxies) as client:
        await ready(client)
        client.headers["Host"] = "door.example:443"
        capsys.readouterr()
        nobody = {"Authorization": "", "X-Forwarded-For": "1.2.3.4, 203.0.113.9"}
        refused = await client.get("/training-requests", headers=nobody)
        another = await client.get("/training-requests", headers={"Host": "evil.example"})
        told = "".join(capsys.readouterr())
        signal.raise_signal(signal.SIGTERM)
        await eventually(lambda: _leaves(client))
        late = await client.post("/training-requests", json={})

    assert (refused.status_code, another.status_code) == (401, 421)
    assert "203.0.113.9" in told
    assert (late.status_code, late.headers["Connection"]) == (202, "close")


async def _leaves(client: httpx.AsyncClient) -> bool:
    answer = await client.get("/health/ready")
    return answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and "drain" in answer.json()["missing"]


async def test_streams_are_bounded(world: ApiWorld) -> None:
    async with door(world, API__MAX_STREAMS="1") as client:
        await ready(client)
        events = (await client.post("/training-requests", json={})).json()["links"]["events"]
        async with client.stream("GET", events) as first:
            lines = first.aiter_lines()  # held: when it is forgotten, httpx ends the stream
            await anext(lines)
            second = await client.get(events)
    assert (second.status_code, second.json()["reason"]) == (503, "too_many_streams")


async def test_other_origins_are_let_in_only_when_configured(world: ApiWorld) -> None:
    page = "https://pages.example"
    asking = {"Origin": page, "Access-Control-Request-Method": "POST"}
    async with door(world) as closed:
        await ready(closed)
        refused = await closed.options("/training-requests", headers=asking)
    async with door(world, API__CORS_ORIGINS=page) as opened:
        await ready(opened)
        allowed = await opened.options("/training-requests", headers=asking)
        others = await opened.options(
            "/training-requests", headers=asking | {"Origin": "https://evil.example"}
        )

    assert "access-control-allow-origin" not in refused.headers
    assert allowed.headers["access-control-allow-origin"] == page
    assert "access-control-allow-origin" not in others.headers
