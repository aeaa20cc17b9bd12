"""What the DAG API answers, page by page.

Its cost: a door a case, opened as the role opens it.
"""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from service.adapters.postgres.run_store import PostgresRunStore
from tests.harm.kafka_behind import Behind
from tests.kit.eventually import eventually
from tests.worlds.api import (
    PASSWORD,
    TOKEN,
    USER,
    ApiWorld,
    basic,
    bearer,
    door,
    ready,
    rejected,
    stored,
)

DAG = "/api/v1/dags/train_pipeline_dag"
RUNS = f"{DAG}/dagRuns"
VARIABLES = "/api/v1/variables"
ROWS = "CURRENT_MASTER_ROWS"


@pytest.fixture
async def client(world: ApiWorld) -> AsyncIterator[httpx.AsyncClient]:
    """The door, ready, with the orchestrator's credential."""
    async with door(world) as client:
        await ready(client)
        client.headers.update(basic(USER, PASSWORD))
        yield client


async def test_a_trigger_is_a_request_in_kafka_and_a_queued_run(
    client: httpx.AsyncClient, world: ApiWorld
) -> None:
    conf = {"feature_version": 1, "model_version": "3"}

    answer = await client.post(RUNS, json={"conf": conf, "note": "nightly"})

    run = answer.json()
    assert (answer.status_code, run["state"], run["conf"]) == (200, "queued", conf)
    assert (run["note"], run["start_date"], run["end_date"]) == ("nightly", None, None)
    [event] = await world.in_kafka()
    assert event.attributes["id"] == run["dag_run_id"]
    named = {"model_name": world.model, "requested_by": USER, "reason": "nightly"}
    assert event.data == {**conf, **named}
    assert (await client.get(f"{RUNS}/{run['dag_run_id']}")).json() == run


async def test_bodies_that_ask_for_the_defaults(client: httpx.AsyncClient) -> None:
    bodies: list[Any] = [{}, {"conf": {}}, {"conf": None, "dag_run_id": None}]
    for body in bodies:
        answer = await client.post(RUNS, json=body)
        assert (answer.status_code, answer.json()["conf"]) == (200, {})


async def test_an_id_or_a_logical_date_names_one_run(client: httpx.AsyncClient, world: ApiWorld) -> None:
    date, same = "2026-03-01T06:00:00+00:00", "2026-03-01T07:00:00+01:00"
    by_id = {"dag_run_id": "nightly-1", "conf": {"model_version": 1}}

    answers = [await client.post(RUNS, json=body) for body in (by_id, {"logical_date": date})]
    again = [
        await client.post(RUNS, json=body)
        for body in (
            by_id,
            {"dag_run_id": "nightly-1"},
            {"execution_date": same},
            {"conf": {"split_version": 1}},
        )
    ]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.json()["dag_run_id"] for answer in answers] == ["nightly-1", f"manual__{date}"]
    assert answers[1].json()["logical_date"] == date
    assert [answer.status_code for answer in again] == [409, 409, 409, 200]
    assert again[0].json()["reason"] == "already_exists"
    assert len(await world.in_kafka()) == 3


async def test_a_named_run_that_was_answered_503_may_be_asked_for_again(
    harmed: ApiWorld, behind: Behind
) -> None:
    body = {"dag_run_id": "nightly-1", "conf": {"model_version": 1}}
    async with door(harmed, API__SEND_SECONDS="1") as client:
        await ready(client)
        client.headers.update(basic(USER, PASSWORD))
        await behind.proxy.close_door()
        away = await client.post(RUNS, json=body)
        hidden = await client.get(f"{RUNS}/nightly-1")
        await behind.proxy.open_door()
        taken = await eventually(lambda: _once_answered(client, body))
        again = await client.post(RUNS, json=body)

    answered = [answer and answer.status_code for answer in (away, hidden, taken, again)]
    assert answered == [503, 404, 200, 409]
    assert {event.attributes["id"] for event in await harmed.in_kafka()} == {"nightly-1"}


async def test_a_trigger_that_is_malformed_is_a_400_that_names_every_fault(
    client: httpx.AsyncClient, world: ApiWorld
) -> None:
    dates = {"logical_date": "2026-03-01T06:00:00Z", "execution_date": "2026-03-02T06:00:00Z"}
    bodies: list[tuple[Any, list[str]]] = [
        ([1], ["array"]),
        ({"conf": [1]}, ["conf"]),
        ({"conf": "x"}, ["conf"]),
        (
            {"conf": {"modle": 1, "split_version": True}},
            ["modle", "split_version", "allowed: split_version, "],
        ),
        ({"conf": {"model_version": 1, "model_config_version": 2}}, ["disagree"]),
        ({"dag_run_id": "a b"}, ["dag_run_id"]),
        ({"logical_date": "2026-03-01T06:00:00"}, ["logical_date"]),
        ({"logical_date": 5}, ["logical_date", "ISO 8601"]),
        ({"logical_date": "0001-01-01T00:00:00+01:00"}, ["logical_date"]),
        (dates, ["disagree"]),
        ({"state": "running", "note": 5}, ["state", "note"]),
        ({"note": "a" * 1001}, ["note"]),
    ]
    for body, named in bodies:
        answer = await client.post(RUNS, json=body)

        problem = answer.json()
        assert (answer.status_code, problem["status"]) == (400, 400), problem
        assert set(problem) >= {"detail", "status", "title", "type"}
        assert [word for word in named if word not in problem["detail"]] == [], problem
    assert await world.in_kafka() == []


async def test_runs_of_every_door_are_listed_in_pages_and_by_state(
    client: httpx.AsyncClient, world: ApiWorld, store: PostgresRunStore
) -> None:
    own = await client.post("/training-requests", json={"model_version": 1}, headers=bearer(TOKEN))
    await stored(store, world)
    await rejected(store, world)
    later = [(await client.post(RUNS, json={"conf": {"model_version": 2}})).json() for _ in range(2)]
    ids = [own.json()["request_id"], *(run["dag_run_id"] for run in later)]

    async def listed(**asked: Any) -> tuple[list[str], int]:
        page = (await client.get(RUNS, params=asked)).json()
        return [run["dag_run_id"] for run in page["dag_runs"]], page["total_entries"]

    assert await listed() == await listed(limit=0, order_by="start_date") == (ids, 3)
    assert await listed(limit=2, order_by="-execution_date") == (ids[:0:-1], 3)
    assert await listed(limit=2, offset=2, order_by="-dag_run_id") == (ids[:1], 3)
    assert await listed(state=["failed", "running"]) == (ids[:1], 1)
    assert await listed(state="queued") == (ids[1:], 2)
    assert await listed(start_date_gte=later[0]["logical_date"]) == (ids[1:], 2)
    assert await listed(execution_date_lte=later[0]["logical_date"]) == (ids[:2], 2)
    everything = (await client.get("/api/v1/dags/~/dagRuns", params={"limit": 1000})).json()
    assert everything["total_entries"] == 3
    first = everything["dag_runs"][0]
    assert (first["dag_id"], first["state"]) == ("train_pipeline_dag", "failed")
    assert "models/v99.yaml does not exist" in first["note"]


async def test_the_task_that_failed_has_the_reason_and_so_has_its_log(
    client: httpx.AsyncClient, world: ApiWorld, store: PostgresRunStore
) -> None:
    run_id = (await client.post(RUNS, json={"conf": {"model_version": 99}})).json()["dag_run_id"]
    queued = (await client.get(f"{RUNS}/{run_id}/taskInstances")).json()
    await stored(store, world)
    await rejected(store, world)

    tasks = (await client.get(f"{RUNS}/{run_id}/taskInstances")).json()
    one = (await client.get(f"{RUNS}/{run_id}/taskInstances/resolve_runtime_config")).json()
    log = f"{RUNS}/{run_id}/taskInstances/resolve_runtime_config/logs/1"
    plain = await client.get(log)
    as_json = await client.get(log, headers={"Accept": "application/json"})

    assert {task["state"] for task in queued["task_instances"]} == {None}
    assert tasks["total_entries"] == 10
    assert [task["state"] for task in tasks["task_instances"]] == ["failed"] + ["upstream_failed"] * 9
    assert one == tasks["task_instances"][0]
    assert "models/v99.yaml does not exist" in one["note"]
    assert plain.headers["content-type"].startswith("text/plain")
    assert "unknown_version" in plain.text
    assert as_json.json() == {"content": plain.text, "continuation_token": ""}


async def test_what_is_not_there_is_a_404_and_what_is_not_asked_right_a_400(
    client: httpx.AsyncClient,
) -> None:
    absent = [
        "/api/v1/dags/no_such_dag",
        "/api/v1/dags/no_such_dag/dagRuns",
        f"{RUNS}/no-such-run",
        f"{RUNS}/%00",
        f"{RUNS}/no-such-run/taskInstances",
        f"{RUNS}/no-such-run/taskInstances/train_task",
        "/api/v1/dags/data_pipeline_dag/dagRuns/no-such-run",
        f"{VARIABLES}/NO_SUCH_KEY",
        f"{VARIABLES}/%00",
    ]
    bad = [
        f"{RUNS}?limit=-1",
        f"{RUNS}?limit=x",
        f"{RUNS}?order_by=colour",
        f"{RUNS}?state=broken",
        f"{RUNS}?start_date_gte=yesterday",
        f"{RUNS}?start_date_gte=0.5",
        f"{RUNS}?start_date_gte=0001-01-01T00:00:00%2B01:00",
        f"{RUNS}?run_type=manual",
        f"{VARIABLES}?offset=-1",
    ]
    for status, paths in ((404, absent), (400, bad)):
        for path in paths:
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["status"]) == (status, status), path
    ignored = await client.get(RUNS, params={"fields": "state"})
    assert ignored.status_code == httpx.codes.OK


async def test_other_dags_are_listed_and_empty(client: httpx.AsyncClient, world: ApiWorld) -> None:
    dags = (await client.get("/api/v1/dags")).json()
    named = [dag["dag_id"] for dag in dags["dags"]]

    assert named == ["data_pipeline_dag", "retrain_policy_dag", "train_pipeline_dag"]
    assert dags["total_entries"] == 3
    assert {(dag["is_paused"], dag["is_active"]) for dag in dags["dags"]} == {(False, True)}
    for dag in dags["dags"]:
        assert (await client.get(f"/api/v1/dags/{dag['dag_id']}")).json() == dag
    runs = await client.get("/api/v1/dags/retrain_policy_dag/dagRuns")
    assert (runs.status_code, runs.json()) == (200, {"dag_runs": [], "total_entries": 0})
    refused = await client.post("/api/v1/dags/retrain_policy_dag/dagRuns", json={})
    assert (refused.status_code, refused.json()["reason"]) == (409, "does_not_run_here")
    assert "train_pipeline_dag" in refused.json()["detail"]
    assert await world.in_kafka() == []


async def test_a_variable_is_kept_changed_listed_and_forgotten(client: httpx.AsyncClient) -> None:
    one = f"{VARIABLES}/{ROWS}"
    body = {"key": ROWS, "value": "123"}

    assert (await client.get(one)).status_code == httpx.codes.NOT_FOUND
    assert (await client.patch(one, json=body)).status_code == httpx.codes.NOT_FOUND
    added = await client.post(VARIABLES, json=body)
    assert (added.status_code, added.json()) == (200, {**body, "description": None})
    changed = await client.patch(one, json={"key": ROWS, "value": "456", "description": "rows"})
    masked = await client.patch(f"{one}?update_mask=value", json={"value": "7", "description": "no"})
    assert [answer.status_code for answer in (changed, masked)] == [200, 200]
    expected = {"key": ROWS, "value": "7", "description": "rows"}
    assert (await client.get(one)).json() == masked.json() == expected
    assert (await client.get(VARIABLES)).json() == {"variables": [expected], "total_entries": 1}
    forgotten = [(await client.delete(one)).status_code for _ in range(2)]
    assert forgotten == [204, 404]
    mistaken = await client.patch(one, json={**body, "key": "ANOTHER"})
    assert (mistaken.status_code, mistaken.json()["reason"]) == (400, "another_key")


async def test_a_variable_that_is_malformed_is_a_400(client: httpx.AsyncClient) -> None:
    calls: list[tuple[str, str, Any]] = [
        ("POST", VARIABLES, {"key": ROWS}),
        ("POST", VARIABLES, {"key": ROWS, "value": 5}),
        ("POST", VARIABLES, {"key": "", "value": ""}),
        ("POST", VARIABLES, {"key": "k" * 251, "value": ""}),
        ("POST", VARIABLES, {"key": ROWS, "value": "1", "is_encrypted": True}),
        ("PATCH", f"{VARIABLES}/{ROWS}?update_mask=key,colour", {"value": "1"}),
    ]
    for method, path, body in calls:
        answer = await client.request(method, path, json=body)
        assert (answer.status_code, answer.json()["status"]) == (400, 400), answer.text


async def _once_answered(client: httpx.AsyncClient, body: Any) -> httpx.Response | None:
    answer = await client.post(RUNS, json=body)
    return None if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else answer
