"""Holds and quarantines over HTTP: who may, what is kept of it, and that a repeat is harmless."""

from datetime import UTC, datetime, timedelta

import httpx

from domain.bar_announcement import quarantine_begun
from domain.errors import PromotionBarred
from domain.ledger import Cause
from tests.contract.stores import Stores, following, on_postgres
from tests.contract.test_holds import quarantine
from tests.worlds.api import OTHER, ApiWorld, bearer

SOON = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
ASKED = {"reason": "audit until noon", "until": SOON.isoformat()}


def key(name: str) -> dict[str, str]:
    return {"Idempotency-Key": name}


async def is_held(stores: Stores, model: str) -> bool:
    """Try what the gate would do, on an empty ledger."""
    try:
        await stores.ledger.append(following(None, model, cause=Cause.GATE))
    except PromotionBarred:
        return True
    return False


async def test_an_operator_holds_promotions_and_releases_them(
    client: httpx.AsyncClient, world: ApiWorld
) -> None:
    before = (await client.get("/holds")).json()
    held = await client.post("/holds", json=ASKED, headers=key("a"))
    again = await client.post("/holds", json=ASKED, headers=key("a"))
    second = await client.post("/holds", json={"reason": "another"})
    conflict = await client.post("/holds", json={"reason": "another"}, headers=key("a"))
    shown = (await client.get("/holds?limit=5")).json()
    async with on_postgres(world.database_url, world.model) as stores:
        assert await is_held(stores, world.model)
        released = await client.post("/releases", json={"reason": "done"}, headers=key("b"))
        repeated = await client.post("/releases", json={"reason": "done"}, headers=key("b"))
        over = await client.post("/releases")
        assert not await is_held(stores, world.model)
        topics = [row.announcement.topic for row in await stores.outbox.unsent(10)]

    assert before == {"model_name": world.model, "active": None, "holds": []}
    assert (held.status_code, again.status_code) == (201, 201)
    assert held.json() == again.json()
    assert (held.headers["Location"], again.headers["Location"]) == ("/holds", "/holds")
    assert (held.json()["actor"], held.json()["door"], held.json()["proven"]) == ("tests", "api", True)
    assert datetime.fromisoformat(held.json()["until"]) == SOON
    assert (second.status_code, second.json()["reason"]) == (409, "held_already")
    assert "by tests (api)" in second.json()["detail"]
    assert (conflict.status_code, conflict.json()["reason"]) == (422, "id_conflict")
    assert shown["active"] == held.json()
    assert shown["holds"] == [held.json()]
    assert (released.status_code, released.json()) == (200, repeated.json())
    assert (released.json()["released_by"], released.json()["release_reason"]) == ("tests", "done")
    assert (over.status_code, over.json()["reason"]) == (409, "not_held")
    assert topics == ["promotion.held", "promotion.released"]


async def test_an_operator_lifts_a_quarantine(client: httpx.AsyncClient, world: ApiWorld) -> None:
    model = world.model
    async with on_postgres(world.database_url, model) as stores:
        first = following(None, model)
        second = following(first, model, version=2)
        rollback = following(second, model, version=1)
        left = quarantine(model, rollback)
        for entry in (first, second):
            await stores.ledger.append(entry)
        await stores.ledger.append(rollback, quarantines=[left], announcements=[quarantine_begun(left)])

    listed = (await client.get("/quarantine")).json()
    unknown = await client.post("/quarantine/7/lift", json={"reason": "why"})
    lifted = await client.post("/quarantine/2/lift", json={"reason": "why"}, headers=key("k"))
    again = await client.post("/quarantine/2/lift", json={"reason": "why"}, headers=key("k"))
    left_now = (await client.get("/quarantine")).json()["quarantines"]
    everything = (await client.get("/quarantine?lifted=true")).json()["quarantines"]

    (one,) = listed["quarantines"]
    assert (one["generation"], one["by_generation"], one["train_digest"]) == (2, 3, "d" * 64)
    assert one["versions"] == {"split_version": 1, "feature_version": 2, "model_version": 3}
    assert (unknown.status_code, unknown.json()["reason"]) == (409, "not_quarantined")
    assert "those that are: 2" in unknown.json()["detail"]
    assert (lifted.status_code, lifted.json()["lifted_by"]) == (200, "tests")
    assert again.json() == lifted.json()
    assert left_now == []
    assert everything == [lifted.json()]


async def test_without_the_role_nothing_is_barred_and_a_slip_names_every_fault(
    client: httpx.AsyncClient,
) -> None:
    refused = [
        await client.post(path, json={"reason": "why"}, headers=bearer(OTHER))
        for path in ("/holds", "/releases", "/quarantine/1/lift")
    ]
    looked = await client.get("/holds", headers=bearer(OTHER))
    slips = [
        await client.post("/holds", json=body)
        for body in ({"raeson": "x"}, {"reason": " "}, {"reason": "x", "until": 5}, {"reason": "x" * 2001})
    ]
    past = await client.post("/holds", json={"reason": "x", "until": "2020-01-01T00:00:00Z"})
    zoneless = await client.post("/holds", json={"reason": "x", "until": "2035-01-01T00:00:00"})

    assert [(one.status_code, one.json()["reason"]) for one in refused] == [(403, "role_missing")] * 3
    assert looked.status_code == httpx.codes.OK
    assert [one.status_code for one in slips] == [422] * 4
    assert {fault["code"] for fault in slips[0].json()["errors"]} == {"unknown_field", "bad_field"}
    assert (past.status_code, past.json()["reason"]) == (422, "until_is_past")
    assert (zoneless.status_code, zoneless.json()["errors"][0]["field"]) == (422, "until")
    assert (await client.get("/holds")).json()["holds"] == []
