"""Asking over HTTP, and seeing what became of it.

Its cost: a door a case, opened as the role opens it.
"""

import json
from typing import Any

import httpx
import pytest

from domain.asked_request import CLI_SOURCE
from domain.events import REQUEST_TOPIC
from domain.lifecycle import Outcome
from domain.run import Run
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.requests import publish_request
from service.adapters.postgres.run_store import PostgresRunStore
from tests.worlds.api import LEASE, OTHER, ApiWorld, bearer, stored

PATH = "/training-requests"
ASKED = {"feature_version": 1, "model_version": "3", "reason": "neue Häuser"}


async def test_a_request_is_accepted_once_kafka_has_it(client: httpx.AsyncClient, world: ApiWorld) -> None:
    answer = await client.post(PATH, json=ASKED)

    assert answer.status_code == httpx.codes.ACCEPTED
    shown = answer.json()
    assert answer.headers["Location"] == f"{PATH}/{shown['request_id']}" == shown["links"]["self"]
    assert (shown["state"], shown["door"], shown["asked_by"]) == ("REQUESTED", "api", "tests")
    [event] = await world.in_kafka()
    assert event.attributes["id"] == shown["request_id"]
    assert event.attributes["source"] == "/laurel/api"
    assert event.attributes["type"] == "laurel.training.requested.v1"
    assert event.data == {**ASKED, "model_name": world.model, "requested_by": "tests"}
    again = await client.get(answer.headers["Location"])
    assert again.json() == shown


async def test_the_same_key_again_is_the_same_request(client: httpx.AsyncClient, world: ApiWorld) -> None:
    answers = [
        await client.post(PATH, json=ASKED, headers={"Idempotency-Key": key})
        for key in ("nightly-17", '"nightly-17"', "nightly-17")
    ]
    named = await client.post(PATH, json={**ASKED, "request_id": "nightly-17"})

    assert {answer.status_code for answer in answers} == {httpx.codes.ACCEPTED}
    assert {answer.json()["request_id"] for answer in answers} == {"nightly-17"}
    assert named.status_code == httpx.codes.UNPROCESSABLE_ENTITY  # the body is another one
    assert len(await world.in_kafka()) == 1


async def test_a_key_with_another_body_is_refused_and_the_first_stands(
    client: httpx.AsyncClient, world: ApiWorld
) -> None:
    key = {"Idempotency-Key": "one"}
    await client.post(PATH, json=ASKED, headers=key)

    other = await client.post(PATH, json={"feature_version": 2}, headers=key)

    assert (other.status_code, other.json()["reason"]) == (422, "id_conflict")
    [event] = await world.in_kafka()
    assert event.data is not None
    assert event.data["feature_version"] == 1


async def test_two_keys_that_differ_are_refused_and_nothing_is_sent(
    client: httpx.AsyncClient, world: ApiWorld
) -> None:
    keys = [("Idempotency-Key", "one"), ("Idempotency-Key", '"two"')]

    answer = await client.post(PATH, json=ASKED, headers=keys)

    assert (answer.status_code, answer.json()["reason"]) == (422, "bad_id")
    assert await world.in_kafka() == []


async def test_two_requests_without_a_key_are_two(client: httpx.AsyncClient, world: ApiWorld) -> None:
    ids = {(await client.post(PATH, json={})).json()["request_id"] for _ in range(2)}

    assert {event.attributes["id"] for event in await world.in_kafka()} == ids
    assert len(ids) == 2


async def test_all_faults_are_named_at_once(client: httpx.AsyncClient, world: ApiWorld) -> None:
    wrong = {"split_version": "../x", "model_version": -1, "modle": 3, "model_name": world.model}

    answer = await client.post(PATH, json=wrong, headers={"Idempotency-Key": "a b"})

    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert answer.headers["content-type"] == "application/problem+json"
    named = {fault["field"] for fault in answer.json()["errors"]}
    assert named == {"Idempotency-Key", "split_version", "model_version", "modle"}
    assert await world.in_kafka() == []


@pytest.mark.parametrize(
    ("body", "kind", "status", "reason"),
    [
        (b"", "application/json", 400, "empty"),
        (b'{"a": 1', "application/json", 400, "not_json"),
        (b"[1]", "application/json", 400, "not_an_object"),
        (b'{"reason": "a", "reason": "b"}', "application/json", 400, "duplicate_key"),
        (b'{"split_version": NaN}', "application/json", 400, "not_finite"),
        (b"\xff", "application/json", 400, "not_utf8"),
        (b'{"reason": "%s"}' % (b"a" * 70_000), "application/json", 413, "body_too_large"),
        (b"{}", "text/plain", 415, "not_json"),
        (b'{"model_name": "of somebody else"}', "application/json", 422, "another_model"),
        (b'{"model_version": 1, "model_config_version": 2}', "application/json", 422, "bad_field"),
    ],
)
async def test_what_cannot_be_read_is_refused(
    client: httpx.AsyncClient, world: ApiWorld, body: bytes, kind: str, status: int, reason: str
) -> None:
    answer = await client.post(PATH, content=body, headers={"Content-Type": kind})

    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert await world.in_kafka() == []


async def test_a_run_is_found_by_both_ids_with_its_steps(
    client: httpx.AsyncClient, world: ApiWorld, store: PostgresRunStore
) -> None:
    asked = (await client.post(PATH, json=ASKED)).json()["request_id"]
    await stored(store, world)
    run = await _moved(store, world, [(Outcome.RESOLVED, {"triple": _triple()}), (Outcome.SPLIT, {})])

    by_request = (await client.get(f"{PATH}/{asked}")).json()
    by_run = (await client.get(f"{PATH}/{run.run_id}")).json()

    assert by_request == by_run
    assert by_request["state"] == "SPLIT"
    assert by_request["versions"] == _triple()
    assert [(step["step"], step["state"]) for step in by_request["steps"]] == [
        ("resolve", "done"),
        ("split", "done"),
        ("version", "running"),
    ]


async def test_a_request_that_went_to_kafka_past_the_doors_is_found_by_its_sender_s_id(
    client: httpx.AsyncClient, world: ApiWorld, store: PostgresRunStore
) -> None:
    """The id that `laurel request` prints is one that every door takes."""
    name, connection = f"past-{world.model}", KafkaConnection(world.past)
    await publish_request(
        connection, REQUEST_TOPIC, {}, model_name=world.model, source=CLI_SOURCE, event_id=name
    )
    assert (await client.get(f"{PATH}/{name}")).status_code == httpx.codes.NOT_FOUND
    (run,) = await stored(store, world)
    assert (await client.get(f"{PATH}/{name}")).json()["run_id"] == run.run_id
    assert (await client.get(f"{PATH}/{name[:-1]}")).status_code == httpx.codes.NOT_FOUND


async def test_requests_of_every_door_are_listed_newest_first_in_pages(
    client: httpx.AsyncClient, world: ApiWorld, store: PostgresRunStore
) -> None:
    ids = [
        (await client.post(PATH, json={"reason": str(number)})).json()["request_id"] for number in range(5)
    ]
    await stored(store, world)
    ids.append((await client.post(PATH, json={"reason": "not read yet"})).json()["request_id"])

    first = (await client.get(PATH, params={"limit": 4})).json()
    second = (await client.get(first["next"])).json()

    listed = [one["request_id"] for page in (first, second) for one in page["training_requests"]]
    assert listed == ids[::-1]
    assert (first["total"], second["next"]) == (6, None)


async def test_lists_are_filtered_by_state_door_and_time(
    client: httpx.AsyncClient, world: ApiWorld, store: PostgresRunStore
) -> None:
    early, late = [(await client.post(PATH, json={})).json() for _ in range(2)]
    await stored(store, world)
    moved = await _moved(store, world, [(Outcome.RESOLVED, {})])

    async def listed(**filters: Any) -> list[str]:
        found = (await client.get(PATH, params=filters)).json()["training_requests"]
        return [one["request_id"] for one in found]

    assert await listed(state=["RESOLVED", "SPLIT"]) == [moved.identity.partition(" ")[2]]
    assert await listed(door="dag") == []
    assert await listed(door="api", since=late["asked_at"]) == [late["request_id"]]
    assert await listed(until=early["asked_at"]) == [early["request_id"]]


@pytest.mark.parametrize("place", [PATH, f"{PATH}/nightly-17", f"{PATH}/nightly-17/events"])
async def test_a_parameter_that_no_page_knows_is_refused_by_name(
    client: httpx.AsyncClient, place: str
) -> None:
    answer = await client.get(place, params={"stat": "FAILED", "untill": "2026-01-31T06:00:00Z"})

    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert [fault["field"] for fault in answer.json()["errors"]] == ["stat", "untill"]
    assert ("until" in answer.json()["errors"][0]["allowed"]) == (place == PATH)


async def test_what_is_not_there_is_not_found(client: httpx.AsyncClient) -> None:
    for path in (f"{PATH}/nobody", f"{PATH}/nobody/events"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")


async def test_progress_is_told_as_it_happens_and_goes_on_behind_the_last_event(
    client: httpx.AsyncClient, world: ApiWorld, store: PostgresRunStore
) -> None:
    asked = (await client.post(PATH, json={})).json()
    await stored(store, world)
    told: list[dict[str, Any]] = []

    async with client.stream("GET", asked["links"]["events"]) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.aiter_lines()
        told.append(await _event(lines))
        await _moved(store, world, [(Outcome.RESOLVED, {}), (Outcome.GAVE_UP, {})])
        while told[-1]["event"] != "end":
            told.append(await _event(lines))
    async with client.stream("GET", asked["links"]["events"], headers={"Last-Event-ID": "1"}) as stream:
        lines = stream.aiter_lines()
        again = [await _event(lines) for _ in range(2)]

    assert [(one["event"], one["data"]["state"]) for one in told] == [
        ("state", "REQUESTED"),
        ("state", "RESOLVED"),
        ("state", "FAILED"),
        ("end", "FAILED"),
    ]
    assert [one["id"] for one in told] == ["0", "1", "2", "2"]
    assert again == told[2:]


async def test_another_caller_may_look_and_may_not_take_a_request_over(
    client: httpx.AsyncClient, world: ApiWorld
) -> None:
    key = {"Idempotency-Key": "mine"}
    await client.post(PATH, json={}, headers=key)

    theirs = await client.post(PATH, json={}, headers=key | bearer(OTHER))

    assert theirs.json()["reason"] == "id_conflict"
    assert (await client.get(f"{PATH}/mine", headers=bearer(OTHER))).json()["asked_by"] == "tests"
    assert len(await world.in_kafka()) == 1


async def _event(lines: Any) -> dict[str, Any]:
    """The next server-sent event; comments are left out."""
    fields: dict[str, Any] = {}
    async for line in lines:
        name, _, value = line.partition(": ")
        if name:
            fields[name] = value
        elif fields:
            break
    return {"event": fields["event"], "id": fields["id"], "data": json.loads(fields["data"])}


async def _moved(store: PostgresRunStore, world: ApiWorld, outcomes: list[tuple[Outcome, Any]]) -> Run:
    """Move the oldest run on as a worker does."""
    run = await store.claim(world.model, "a worker", LEASE)
    assert run is not None
    for outcome, output in outcomes:
        run = await store.advance(await store.begin(run), outcome, output=output)
    return run


def _triple() -> dict[str, int]:
    return {"split_version": 1, "feature_version": 1, "model_version": 3}
