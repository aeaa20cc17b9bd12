"""An answer is lost half-way, or the process dies there: a repeat is the same request, with one run.

Its cost: a door a case, some as processes that are killed.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest

from service.adapters.postgres.run_store import PostgresRunStore
from service.adapters.tls.trust import no_trust
from service.local.servers.ports import free_port
from service.local.servers.role import EmbeddedRole
from tests.harm.proxies import Fault, FaultProxy, hole, slow
from tests.harm.wire_formats import Match, postgres
from tests.integration.postgres_admin import ask, proxied
from tests.kit.eventually import eventually
from tests.worlds.api import PASSWORD, TOKEN, USER, ApiWorld, basic, bearer, door, ready, stored

PATH = "/training-requests"
RUNS = "/api/v1/dags/train_pipeline_dag/dagRuns"
LOOK_UP = postgres("SELECT laurel.asked_requests.model_name")
READ = postgres("UNION ALL")
ACKNOWLEDGE = postgres("acknowledged_at=coalesce")
QUICK = {"API__SEND_SECONDS": "1"}
KEYED = {"Idempotency-Key": "k"}
LONG_AGO = "UPDATE laurel.asked_requests SET asked_at = asked_at - interval '1 min' WHERE model_name = %s"


@asynccontextmanager
async def _behind(world: ApiWorld) -> AsyncIterator[tuple[ApiWorld, FaultProxy]]:
    async with proxied(world.database_url) as (proxy, url):
        yield replace(world, database_url=url), proxy


@pytest.mark.parametrize("headers", [{}, KEYED], ids=["without a key", "with a key"])
@pytest.mark.parametrize(
    ("point", "gone"),
    [(ACKNOWLEDGE, 0), (ACKNOWLEDGE, 1), (READ, 0)],
    ids=["marking it", "marking it, all of the database", "reading it back"],
)
async def test_a_database_lost_behind_kafkas_word_is_a_503_and_the_repeat_asks_once(
    world: ApiWorld, store: PostgresRunStore, headers: dict[str, str], point: Match, gone: int
) -> None:
    async with _behind(world) as (harmed, proxy), door(harmed, **QUICK) as client:
        await ready(client)
        fault = proxy.add(hole(point, times=1))
        asking = asyncio.create_task(client.post(PATH, json={}, headers=headers))
        await eventually(lambda: fault.hits)
        if gone:
            await proxy.close_door()
        away = await asking
        if gone:
            await proxy.open_door()
        again, third = [await client.post(PATH, json={}, headers=headers) for _ in range(2)]

    assert (away.status_code, again.status_code) == (503, 202)
    assert again.json()["request_id"] == away.json()["request_id"]
    assert (third.json()["request_id"] == again.json()["request_id"]) == bool(headers)
    assert len(await stored(store, world)) == (1 if headers else 2)


@pytest.mark.parametrize(
    "harm",
    [hole(READ, times=1), slow(1.5, ACKNOWLEDGE, times=1)],
    ids=["reading it back is lost", "slower than the caller waits"],
)
async def test_a_gateway_that_knows_no_key_and_repeats_after_a_503_has_one_run(
    world: ApiWorld, store: PostgresRunStore, harm: Fault
) -> None:
    async with _behind(world) as (harmed, proxy), door(harmed, **QUICK) as client:
        await ready(client)
        proxy.add(harm)
        asks = [await client.post(RUNS, json={"conf": {}}, headers=basic(USER, PASSWORD)) for _ in range(2)]

    assert harm.hits == 1
    assert [answer.status_code for answer in asks] == [503, 200]
    [run] = await stored(store, world)
    assert run.identity == f"event:/laurel/api {asks[1].json()['dag_run_id']}"


@pytest.mark.parametrize("point", [LOOK_UP, ACKNOWLEDGE], ids=["before it sends", "behind Kafka's word"])
async def test_a_process_that_dies_in_between_makes_no_second_run_and_hides_none(
    world: ApiWorld, store: PostgresRunStore, point: Match
) -> None:
    """One caller has a key and one has none; another process takes their repeats."""
    asks: tuple[tuple[dict[str, str], dict[str, str]], ...] = (
        (KEYED, {"reason": "keyed"}),
        ({}, {"reason": "keyless"}),
    )
    async with _behind(world) as (harmed, proxy), _process(harmed) as (process, client):
        fault = proxy.add(hole(point, times=2))
        asking = [asyncio.create_task(client.post(PATH, json=body, headers=key)) for key, body in asks]
        await eventually(lambda: fault.hits == 2)
        process.kill()
        ends = await asyncio.gather(*asking, return_exceptions=True)
    runs = await stored(store, world)
    await asyncio.to_thread(ask, world.database_url, LONG_AGO, world.model)
    async with door(world) as client:
        await ready(client)
        seen = [(await client.get(f"{PATH}/{run.run_id}")).status_code for run in runs]
        again = [await client.post(PATH, json=body, headers=key) for key, body in asks]

    assert all(isinstance(end, httpx.TransportError) for end in ends)
    assert len(runs) == (0 if point is LOOK_UP else 2)
    assert set(seen) <= {httpx.codes.OK}
    assert {answer.status_code for answer in again} == {httpx.codes.ACCEPTED}
    assert {run.payload["reason"] for run in await stored(store, world)} == {"keyed", "keyless"}
    assert len(await stored(store, world)) == len(asks)


@pytest.mark.parametrize("bodies", [({}, {}), ({}, {"reason": "another"})], ids=["equal", "two bodies"])
async def test_one_key_at_two_processes_at_once_is_one_request(
    world: ApiWorld, store: PostgresRunStore, bodies: tuple[dict[str, str], ...]
) -> None:
    async with door(world) as one, door(world) as other:
        await asyncio.gather(ready(one), ready(other))
        asking = (
            client.post(PATH, json=body, headers=KEYED)
            for client, body in zip((one, other), bodies, strict=True)
        )
        answers = await asyncio.gather(*asking)

    equal = bodies[0] == bodies[1]
    assert sorted(answer.status_code for answer in answers) == ([202, 202] if equal else [202, 422])
    assert {event.attributes["id"] for event in await world.in_kafka()} == {"k"}
    [taken] = {answer.json()["payload"].get("reason") for answer in answers if answer.is_success}
    [run] = await stored(store, world)
    assert run.payload.get("reason") == taken


async def test_two_callers_that_ask_for_the_same_at_once_are_two_requests(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.post(PATH, json={}) for _ in range(2)))
    assert len({answer.json()["request_id"] for answer in answers}) == len(answers)


@asynccontextmanager
async def _process(world: ApiWorld) -> AsyncIterator[tuple[EmbeddedRole, httpx.AsyncClient]]:
    """`laurel api` as a process of its own, ready."""
    port = free_port()
    process = EmbeddedRole("api", world.folder / "api", port, world.environment(API__PORT=str(port)))
    process.start()
    try:
        await asyncio.to_thread(process.wait_ready, 60)
        base = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(
            base_url=base, headers=bearer(TOKEN), timeout=20, verify=no_trust()
        ) as client:
            yield process, client
    finally:
        await asyncio.to_thread(process.stop)
