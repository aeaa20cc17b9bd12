"""Cancelling a run and asking again over HTTP: who may, what is kept of it, and when it is too late."""

import httpx
import pytest

from domain.lifecycle import Outcome
from service.adapters.postgres.run_store import PostgresRunStore
from tests.contract.stores import WAY_TO_EVALUATED
from tests.worlds.api import (
    LEASE,
    OTHER,
    PASSWORD,
    USER,
    ApiWorld,
    basic,
    bearer,
    door,
    ready,
    stored,
)

PATH = "/training-requests"
ASKED = {"model_version": 3, "reason": "new sales"}


async def test_an_operator_cancels_a_run_and_asks_again(
    client: httpx.AsyncClient, world: ApiWorld, store: PostgresRunStore
) -> None:
    asked = (await client.post(PATH, json=ASKED)).json()
    here = f"{PATH}/{asked['request_id']}"
    unread = await client.post(f"{here}/cancel")
    [run] = await stored(store, world)
    goes_on = await client.post(f"{here}/retry")
    may_not = await client.post(f"{here}/cancel", headers=bearer(OTHER))
    misspelt = await client.post(f"{here}/cancel", json={"raeson": "wrong data"})

    done = await client.post(f"{here}/cancel", json={"reason": "wrong data"})
    by_its_run = await client.post(f"{PATH}/{run.run_id}/cancel", json={"reason": "twice"})
    again = await client.post(f"{here}/retry", headers={"Idempotency-Key": "once-more", **bearer(OTHER)})

    refused = [(one.status_code, one.json()["reason"]) for one in (unread, goes_on, may_not, misspelt)]
    assert refused == [
        (409, "not_read_yet"),
        (409, "has_not_ended"),
        (403, "role_missing"),
        (422, "unknown_field"),
    ]
    assert "'others' has ask" in may_not.json()["detail"]
    assert (done.status_code, done.json()["state"]) == (200, "FAILED")
    assert done.json()["failure"]["message"] == "cancelled by tests (api): wrong data"
    assert by_its_run.json()["failure"] == done.json()["failure"]
    ended = await store.get(run.run_id)
    assert ended is not None
    assert ended.failure is not None
    assert dict(ended.failure.facts) == {"by": "tests", "door": "api", "proven": True, "reason": "wrong data"}
    assert (again.status_code, again.headers["Location"]) == (202, f"{PATH}/once-more")
    payload = {**ASKED, "model_name": world.model, "requested_by": "others", "retry_of": run.run_id}
    assert again.json()["payload"] == payload
    assert [event.data for event in await world.in_kafka() if event.attributes["id"] == "once-more"] == [
        payload
    ]
    assert [one.payload.get("retry_of") for one in await stored(store, world)] == [run.run_id, None]


async def test_a_run_that_is_evaluated_is_not_cancelled_by_any_door(
    client: httpx.AsyncClient, world: ApiWorld, store: PostgresRunStore
) -> None:
    key = {"Idempotency-Key": "nightly"}
    await client.post(PATH, json=ASKED, headers=key)
    await stored(store, world)
    run = await store.claim(world.model, "w", LEASE)
    assert run is not None
    for outcome in WAY_TO_EVALUATED:
        run = await store.advance(run, outcome)

    own = await client.post(f"{PATH}/nightly/cancel")
    dag = "/api/v1/dags/train_pipeline_dag/dagRuns/nightly"
    theirs = await client.patch(dag, json={"state": "failed"}, headers=basic(USER, PASSWORD))
    nobody = await client.post(f"{PATH}/no-such-request/cancel")
    await store.advance(run, Outcome.LOST)
    ended = await client.post(f"{PATH}/nightly/cancel")

    said = [(one.status_code, one.json()["reason"]) for one in (own, theirs, nobody, ended)]
    assert said == [(409, "too_late"), (409, "too_late"), (404, "not_found"), (409, "has_ended")]


@pytest.mark.parametrize(("roles", "may"), [("", "ask"), ("/operate", "operate")])
async def test_a_role_that_is_not_given_is_not_had(world: ApiWorld, roles: str, may: str) -> None:
    """Without roles, as every setting was before, a credential may ask."""
    given = {"API__TOKENS": f"own{roles}:{OTHER}", "API__BASIC_ROLES": may}
    dags = "/api/v1/dags/train_pipeline_dag/dagRuns"
    async with door(world, **given) as client:
        await ready(client)
        own, theirs = bearer(OTHER), basic(USER, PASSWORD)
        asks = [
            await client.post(PATH, json={}, headers=own),
            await client.post(f"{PATH}/none/retry", headers=own),
            await client.post(dags, json={}, headers=theirs),
        ]
        operates = [
            await client.post(f"{PATH}/none/cancel", headers=own),
            await client.patch(f"{dags}/none", json={"state": "failed"}, headers=theirs),
        ]
        looks = await client.get(PATH, headers=own)

    assert [one.status_code != httpx.codes.FORBIDDEN for one in asks] == [may == "ask"] * 3
    assert [one.status_code != httpx.codes.FORBIDDEN for one in operates] == [may == "operate"] * 2
    assert looks.status_code == httpx.codes.OK
