"""What the fake and the real stores promise of holds and quarantines."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.bar_announcement import hold_begun, hold_ended, quarantine_begun, quarantine_ended
from domain.errors import GenerationTaken, PromotionBarred
from domain.hold import HoldEnding, PromotionHold
from domain.ledger import Cause, LedgerEntry
from domain.lifecycle import Outcome
from domain.quarantine import Lift, Quarantine, Recipe
from domain.run import Run
from domain.run_actions import Actor
from domain.values import VersionTriple
from tests.contract.stores import (
    WAY_TO_EVALUATED,
    OnFakes,
    OnPostgres,
    Stores,
    announcement,
    brought_to,
    claimed,
    following,
)
from tests.kit.eventually import eventually

ANNA = Actor(name="anna", door="api", proven=True)
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TRIPLE = VersionTriple(split_version=1, feature_version=2, model_version=3)


def hold(model: str, hold_id: str = "a", until: datetime | None = None) -> PromotionHold:
    """A hold that a person asks for; the text has what no database likes."""
    return PromotionHold(
        hold_id=f"{model}/{hold_id}", model_name=model, reason="a \x00 é", actor=ANNA, at=AT, until=until
    )


def ending(model: str, ending_id: str = "end", actor: Actor | None = ANNA) -> HoldEnding:
    """The end of a hold."""
    return HoldEnding(ending_id=f"{model}/{ending_id}", at=AT, actor=actor, reason=None)


def by_the_gate(head: LedgerEntry | None, model: str, **facts: Any) -> LedgerEntry:
    """What the gate would append."""
    return following(head, model, cause=Cause.GATE, **facts)


async def begin(stores: Stores, one: PromotionHold) -> PromotionHold | None:
    return await stores.holds.begin(one, hold_begun(one))


async def end(stores: Stores, one: PromotionHold, how: HoldEnding) -> PromotionHold | None:
    return await stores.holds.end(one, how, hold_ended(one, how))


async def told(stores: Stores) -> list[str]:
    """The topics of what is in the outbox."""
    return [row.announcement.topic for row in await stores.outbox.unsent(100)]


class HoldContract:
    async def test_a_hold_stands_until_it_is_ended_and_each_is_announced_once(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        one = hold(model)
        assert await stores.holds.active() is None
        assert await begin(stores, one) == await begin(others, one) == one
        assert await others.holds.active() == await others.holds.open() == one
        how = ending(model)
        ended = one.model_copy(update={"ending": how})
        assert await end(others, one, how) == await end(stores, one, how) == ended
        assert await stores.holds.active() is await stores.holds.open() is None
        assert await stores.holds.ended_by(how.ending_id) == ended
        assert list(await stores.holds.newest(5)) == [ended]
        assert await told(stores) == ["promotion.held", "promotion.released"]

    async def test_of_two_holds_one_begins(self, stores: Stores, others: Stores, model: str) -> None:
        begun = await asyncio.gather(begin(stores, hold(model)), begin(others, hold(model, "b")))
        assert [one is None for one in begun].count(True) == 1
        assert await told(stores) == ["promotion.held"]

    async def test_a_hold_that_was_ended_is_not_ended_again(self, stores: Stores, model: str) -> None:
        one = hold(model)
        await begin(stores, one)
        await end(stores, one, ending(model))
        assert await end(stores, one, ending(model, "later")) is None
        assert await begin(stores, hold(model, "b")) is not None

    async def test_a_hold_is_over_at_its_time_by_the_store_s_clock(self, stores: Stores, model: str) -> None:
        until = datetime.now(UTC) + timedelta(seconds=0.5)
        one, at_its_time = hold(model, until=until), ending(model, "time", actor=None)
        await begin(stores, one)
        assert await end(stores, one, at_its_time) is None
        with pytest.raises(PromotionBarred):
            await stores.ledger.append(by_the_gate(None, model))

        async def is_over() -> bool:
            return await stores.holds.active() is None

        await eventually(is_over)
        assert await stores.holds.open() == one
        await stores.ledger.append(by_the_gate(None, model))
        assert await end(stores, one, at_its_time) is not None
        assert await told(stores) == ["promotion.held", "promotion.released"]

    async def test_the_ledger_takes_nothing_from_the_gate_while_promotions_are_held(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        """Neither a run's promotion; but what a person decides, and what was in the ledger before."""
        first = by_the_gate(None, model)
        await stores.ledger.append(first)
        run = await brought_to(stores, await claimed(stores, model), *WAY_TO_EVALUATED)
        await begin(others, hold(model))
        await stores.ledger.append(first)
        promotion = by_the_gate(first, model, version=2, run_id=run.run_id)
        with pytest.raises(PromotionBarred):
            await stores.runs.advance(run, Outcome.WON, entry=promotion)
        with pytest.raises(PromotionBarred):
            await stores.ledger.append(promotion)
        with pytest.raises(GenerationTaken):
            await stores.ledger.append(by_the_gate(None, model, version=9))
        rollback = following(first, model, version=1)
        await stores.ledger.append(rollback)
        assert await stores.ledger.head(model) == rollback
        found = await stores.runs.get(run.run_id)
        assert found is not None
        assert found.state == run.state

    async def test_another_model_is_not_held(self, stores: Stores, model: str) -> None:
        await begin(stores, hold(model))
        await stores.ledger.append(by_the_gate(None, f"{model} two"))


def quarantine(model: str, by: LedgerEntry, generation: int = 2, digest: str = "d" * 64) -> Quarantine:
    """What a rollback leaves."""
    return Quarantine(
        model_name=model,
        generation=generation,
        version=generation,
        by_generation=by.generation,
        reason="it doubled every price \x00",
        actor="anna (api)",
        at=AT,
        recipe=Recipe(triple=TRIPLE, train_digest=digest),
    )


def lift(model: str, lift_id: str = "lift") -> Lift:
    return Lift(lift_id=f"{model}/{lift_id}", reason="it was the data", actor=ANNA, at=AT)


async def rolled_back(stores: Stores, model: str, digest: str = "d" * 64) -> tuple[LedgerEntry, Quarantine]:
    """Generation 2 was left for generation 1's version."""
    first = following(None, model)
    second = following(first, model, version=2)
    rollback = following(second, model, version=1)
    for entry in (first, second):
        await stores.ledger.append(entry)
    left = quarantine(model, rollback, digest=digest)
    for _ in range(2):  # the answer to the first was lost
        await stores.ledger.append(rollback, quarantines=[left], announcements=[quarantine_begun(left)])
    return rollback, left


async def split_of(stores: Stores, model: str, digest: str) -> Run:
    """A run that was made from these bytes, and is EVALUATED."""
    run = await claimed(stores, model)
    file = {"path": "p", "sha256": digest, "bytes": 1, "rows": 1}
    output: dict[str, object] = {"master": file, "train": file, "reference": file, "optional_tests": {}}
    output |= {"reference_created": False, "warnings": (), "statistics": {}, "contract_report": {}}
    output |= {"seconds": 0.0}
    for outcome in WAY_TO_EVALUATED:
        run = await stores.runs.advance(run, outcome, output=output if outcome is Outcome.SPLIT else None)
    return run


class QuarantineContract:
    async def test_what_was_rolled_away_from_is_quarantined_with_the_entry(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        rollback, left = await rolled_back(stores, model)
        assert await others.ledger.head(model) == rollback
        assert list(await others.quarantines.active()) == list(await others.quarantines.all(9)) == [left]
        assert await told(stores) == ["model.quarantined"]

    async def test_an_entry_that_is_refused_quarantines_nothing(self, stores: Stores, model: str) -> None:
        first = following(None, model)
        await stores.ledger.append(first)
        other = following(None, model, version=7)
        left = quarantine(model, other)
        with pytest.raises(GenerationTaken):
            await stores.ledger.append(other, quarantines=[left], announcements=[announcement(model)])
        assert list(await stores.quarantines.all(9)) == []
        assert await told(stores) == []

    async def test_a_quarantine_that_stands_is_neither_changed_nor_announced_again(
        self, stores: Stores, model: str
    ) -> None:
        rollback, left = await rolled_back(stores, model)
        third = following(rollback, model, version=3)
        back = following(third, model, version=1)
        await stores.ledger.append(third)
        again = [quarantine(model, back), quarantine(model, back, generation=4)]
        announcements = [*map(quarantine_begun, again)]
        await stores.ledger.append(back, quarantines=again, announcements=announcements)
        assert list(await stores.quarantines.active()) == [again[1], left]
        assert [row.announcement for row in await stores.outbox.unsent(9)][1:] == announcements[1:]

    async def test_a_lift_ends_it_once(self, stores: Stores, others: Stores, model: str) -> None:
        _, left = await rolled_back(stores, model)
        one, lifted = lift(model), left.model_copy(update={"lift": lift(model)})
        announced = quarantine_ended(left, one)
        assert await stores.quarantines.lift(3, one, announced) is None
        both = await asyncio.gather(*(who.quarantines.lift(2, one, announced) for who in (stores, others)))
        assert both == [lifted, lifted]
        assert await stores.quarantines.lift(2, lift(model, "other"), announced) is None
        assert await stores.quarantines.lifted_by(one.lift_id) == lifted
        assert list(await stores.quarantines.active()) == []
        assert list(await stores.quarantines.all(9)) == [lifted]
        assert await told(stores) == ["model.quarantined", "model.quarantine_lifted"]

    @pytest.mark.parametrize(
        ("triple", "digest", "barred"),
        [
            (TRIPLE, "d" * 64, True),
            (TRIPLE, "e" * 64, False),
            (TRIPLE.model_copy(update={"model_version": 4}), "d" * 64, False),
            (None, "d" * 64, False),
        ],
    )
    async def test_the_ledger_refuses_a_quarantined_recipe_whoever_decided(
        self, stores: Stores, model: str, triple: VersionTriple | None, digest: str, *, barred: bool
    ) -> None:
        rollback, left = await rolled_back(stores, model)
        run = await split_of(stores, model, digest)
        repeat = by_the_gate(rollback, model, version=5, run_id=run.run_id, triple=triple)
        if barred:
            with pytest.raises(PromotionBarred):
                await stores.runs.advance(run, Outcome.WON, entry=repeat)
            await stores.quarantines.lift(2, lift(model), quarantine_ended(left, lift(model)))
        await stores.runs.advance(run, Outcome.WON, entry=repeat)
        assert await stores.ledger.head(model) == repeat


class TestFakeHolds(OnFakes, HoldContract):
    """In memory."""


class TestPostgresHolds(OnPostgres, HoldContract):
    """On PostgreSQL."""


class TestFakeQuarantines(OnFakes, QuarantineContract):
    """In memory."""


class TestPostgresQuarantines(OnPostgres, QuarantineContract):
    """On PostgreSQL."""
