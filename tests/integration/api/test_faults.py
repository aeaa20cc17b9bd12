"""Kafka or PostgreSQL does not answer: 503, and a repeat is the same request.

Its cost: a broker of its own that goes away, and time limits that must run out.
"""

import httpx
import pytest

from service.adapters.postgres.run_store import PostgresRunStore
from tests.harm.kafka_behind import Behind
from tests.harm.proxies import Fault, lost, slow
from tests.harm.wire_formats import kafka
from tests.kit.eventually import eventually
from tests.worlds.api import PASSWORD, USER, ApiWorld, basic, door, ready, stored
from tests.worlds.servers import PostgresServer

PATH = "/training-requests"
RUNS = "/api/v1/dags/train_pipeline_dag/dagRuns"
QUICK = {"API__SEND_SECONDS": "1"}
PRODUCE = kafka(0)


async def test_a_broker_that_is_gone_is_a_503_and_the_repeat_is_the_same_request(
    harmed: ApiWorld, behind: Behind
) -> None:
    async with door(harmed, **QUICK) as client:
        await ready(client)
        await behind.proxy.close_door()
        away = await client.post(PATH, json={"reason": "once"}, headers={"Idempotency-Key": "k"})
        hidden = await client.get(f"{PATH}/k")
        await behind.proxy.open_door()
        again = await _until_taken(client, PATH, {"reason": "once"}, {"Idempotency-Key": "k"})

    assert (away.status_code, away.json()["request_id"]) == (503, "k")
    assert away.headers["Retry-After"]
    assert hidden.status_code == httpx.codes.NOT_FOUND
    assert again.json()["request_id"] == "k"
    assert {event.attributes["id"] for event in await harmed.in_kafka()} == {"k"}


@pytest.mark.parametrize(
    ("path", "harm"),
    [
        (PATH, lost(PRODUCE, times=1)),
        (RUNS, lost(PRODUCE, times=1)),
        (RUNS, slow(2.0, PRODUCE, times=1)),
    ],
    ids=["own door, answer lost", "DAG door, answer lost", "DAG door, slow"],
)
async def test_a_caller_without_a_key_that_repeats_after_a_503_asks_once(
    harmed: ApiWorld, behind: Behind, store: PostgresRunStore, harm: Fault, path: str
) -> None:
    """The gateway of an orchestrator sends no key, and cannot know whether the first came through."""
    body = {"reason": "once"} if path == PATH else {"conf": {"model_version": 2}}
    headers = {} if path == PATH else basic(USER, PASSWORD)
    fault = Fault(harm.mode, harm.match, harm.times, harm.seconds)
    async with door(harmed, **QUICK) as client:
        await ready(client)
        behind.proxy.add(fault)
        first = await client.post(path, json=body, headers=headers)
        if first.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            first = await _until_taken(client, path, body, headers)
        asked = first.json().get("request_id") or first.json()["dag_run_id"]

    assert fault.hits == 1
    [run] = await stored(store, harmed)
    assert run.identity == f"event:/laurel/api {asked}"


async def test_a_database_that_is_gone_is_a_503_and_nothing_is_sent(
    world: ApiWorld, postgres_server: PostgresServer
) -> None:
    url = postgres_server.create_database("a_door_without_a_database")
    world.database_url = url
    async with door(world, **QUICK) as client:
        await ready(client)
        postgres_server.drop_database("a_door_without_a_database")
        answer = await client.post(PATH, json={})
        listed = await client.get(PATH)

    assert {answer.status_code, listed.status_code} == {httpx.codes.SERVICE_UNAVAILABLE}
    assert await world.in_kafka() == []


async def test_a_door_that_starts_before_kafka_and_the_schema_are_there_says_so_and_waits(
    harmed: ApiWorld, behind: Behind, postgres_server: PostgresServer
) -> None:
    harmed.database_url = postgres_server.create_database("a_door_that_is_early")
    await behind.proxy.close_door()
    async with door(harmed, **QUICK) as client:
        early = await client.get("/health/ready")
        told = await client.get("/health")
        await behind.proxy.open_door()
        await ready(client)
        taken = await client.post(PATH, json={})
    postgres_server.drop_database("a_door_that_is_early")

    assert early.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert "kafka" in early.json()["missing"]
    assert (told.status_code, told.json()["scheduler"]["status"]) == (200, "unhealthy")
    assert taken.status_code == httpx.codes.ACCEPTED, taken.text


async def _until_taken(
    client: httpx.AsyncClient, path: str, body: object, headers: dict[str, str]
) -> httpx.Response:
    async def repeat() -> httpx.Response | None:
        answer = await client.post(path, json=body, headers=headers)
        return None if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else answer

    taken = await eventually(repeat)
    assert taken is not None
    assert taken.is_success, taken.text
    return taken
