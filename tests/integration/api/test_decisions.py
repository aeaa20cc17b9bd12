"""Rolling back and promoting over HTTP: who may, what is kept, what a repeat does; MLflow is down here."""

from collections.abc import AsyncIterator

import httpx
import pytest

from domain.ledger import Cause, LedgerEntry, next_entry
from service.adapters.postgres.database import Database, open_database
from service.adapters.postgres.promotion_ledger import PostgresPromotionLedger
from tests.worlds.api import OTHER, ApiWorld, bearer

BACK, PROMOTIONS = "/rollbacks", "/promotions"
WHY = {"reason": "predictions far too high"}


@pytest.fixture
async def database(gateway_url: str) -> AsyncIterator[Database]:
    async with open_database(gateway_url) as database:
        yield database


@pytest.fixture
async def ledger(world: ApiWorld, database: Database) -> PostgresPromotionLedger:
    """Two candidates have won."""
    ledger, head = PostgresPromotionLedger(database), None
    for version in (1, 2):
        head = next_entry(
            world.model,
            head,
            version=version,
            cause=Cause.GATE,
            run_id=f"{world.model}-{version}",
            reasons=("it is better",),
            actor="w",
            at=database.clock.now(),
        )
        await ledger.append(head)
    return ledger


async def added(ledger: PostgresPromotionLedger, world: ApiWorld) -> list[LedgerEntry]:
    """What decisions have made."""
    return list(await ledger.entries(world.model))[2:]


def refusals(*answers: httpx.Response) -> list[tuple[int, str]]:
    return [(one.status_code, one.json()["reason"]) for one in answers]


async def test_an_operator_rolls_back_under_its_name_once_for_each_key(
    client: httpx.AsyncClient, world: ApiWorld, ledger: PostgresPromotionLedger
) -> None:
    key = {"Idempotency-Key": "alert-4711"}
    may_not = await client.post(BACK, json=WHY, headers=bearer(OTHER))
    dry = await client.post(BACK, json={**WHY, "dry_run": True})
    assert await added(ledger, world) == []
    done = await client.post(BACK, json=WHY, headers=key)
    again = await client.post(BACK, json={**WHY, "to": 1}, headers=key)
    conflict = await client.post(BACK, json={"reason": "another"}, headers=key)
    twice = await client.post(BACK, json=WHY)
    named = await client.post(BACK, json={**WHY, "to": 9})

    assert (dry.status_code, dry.json()["generation"], dry.json()["returns_to"]) == (200, 3, 1)
    [entry] = await added(ledger, world)
    assert (entry.cause, entry.version, entry.actor) == (Cause.ROLLBACK, 1, "tests (api)")
    assert entry.correlation_id == "alert-4711"
    facts = done.json()
    assert (done.status_code, facts["version"], facts["left"], facts["reason"]) == (
        201,
        1,
        [2],
        WHY["reason"],
    )
    assert facts["unchecked"]
    assert (done.headers["Location"], again.headers["Location"]) == ("/champions/3", "/champions/3")
    assert (await client.get(done.headers["Location"])).json()["cause"] == "rollback"
    assert "Location" not in dry.headers
    assert "no worker has moved the alias" in facts["not_shown_yet"]
    assert (again.status_code, again.json()["repeated"], again.json()["generation"]) == (201, True, 3)
    assert refusals(may_not, conflict, twice, named) == [
        (403, "role_missing"),
        (422, "id_conflict"),
        (409, "rolled_back_already"),
        (409, "no_such_generation"),
    ]


@pytest.mark.parametrize(
    ("page", "body", "reason"),
    [
        (BACK, {}, "bad_field"),
        (BACK, {"reason": "  "}, "bad_field"),
        (BACK, {**WHY, "to": "1"}, "bad_field"),
        (BACK, {**WHY, "to": True}, "bad_field"),
        (BACK, {**WHY, "dry_run": 1}, "bad_field"),
        (BACK, {**WHY, "by": "Ada"}, "unknown_field"),
        (PROMOTIONS, WHY, "bad_field"),
        (PROMOTIONS, {**WHY, "version": 1, "run": "x"}, "bad_field"),
        (PROMOTIONS, {**WHY, "run": 7}, "bad_field"),
    ],
)
async def test_a_body_that_says_something_else_changes_nothing(
    client: httpx.AsyncClient,
    world: ApiWorld,
    ledger: PostgresPromotionLedger,
    page: str,
    body: dict[str, object],
    reason: str,
) -> None:
    assert refusals(await client.post(page, json=body)) == [(422, reason)]
    assert await added(ledger, world) == []


async def test_a_quarantined_version_is_not_promoted_and_the_way_out_is_named(
    client: httpx.AsyncClient, world: ApiWorld, ledger: PostgresPromotionLedger
) -> None:
    await client.post(BACK, json=WHY)
    refused = await client.post(PROMOTIONS, json={**WHY, "version": 2})
    assert refusals(refused) == [(409, "quarantined")]
    detail = refused.json()["detail"]
    assert "rolled back from it with generation 3: predictions far too high" in detail
    assert "`laurel quarantine lift 2 --reason …`" in detail
    assert len(await added(ledger, world)) == 1


async def test_a_promotion_waits_for_mlflow_and_for_a_run_that_there_is(
    client: httpx.AsyncClient, world: ApiWorld, ledger: PostgresPromotionLedger
) -> None:
    may_not = await client.post(PROMOTIONS, json={**WHY, "version": 1}, headers=bearer(OTHER))
    away = await client.post(PROMOTIONS, json={**WHY, "version": 1})
    nobody = await client.post(PROMOTIONS, json={**WHY, "run": "no-such-run"})
    bad_key = await client.post(BACK, json=WHY, headers={"Idempotency-Key": "a b"})
    assert refusals(may_not, away, nobody) == [
        (403, "role_missing"),
        (503, "mlflow_unavailable"),
        (404, "not_found"),
    ]
    assert bad_key.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert await added(ledger, world) == []
