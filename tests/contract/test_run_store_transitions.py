"""What every RunStore promises about moving a run on: all or nothing, and for the claim's holder alone."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from domain.errors import GenerationTaken, IllegalTransition, LeaseLost
from domain.events import ModelPromoted
from domain.ledger import Cause
from domain.lifecycle import NEXT_STEP, Outcome, State, advance
from domain.run import Run
from domain.run_record import PastWait, PastWaits
from tests.contract.stores import (
    CHILD_DIED,
    LONG,
    MLFLOW_AWAY,
    WAY_TO_EVALUATED,
    OnFakes,
    OnPostgres,
    Stores,
    announcement,
    brought_to,
    claim,
    claimed,
    following,
)

# Keys in no order, numbers of every kind: what a step left is given back as it was.
OUTPUT = {"z": 1, "a": [1.0, 1e-12, 10**30, None, True, "\x00 é \ud800"], "m": {"y": {}, "b": []}}


class AttemptContract:
    async def test_each_start_of_a_step_is_counted_before_it_begins(self, stores: Stores, model: str) -> None:
        run = await claimed(stores, model)
        for expected in (1, 2, 3):
            run = await stores.runs.begin(run)
            assert run.attempts == expected
            await stores.runs.release_all(run.owner or "")  # as its worker does after a crash
            run = await claim(stores, model)
        assert run.attempts == 3

    async def test_the_same_start_said_twice_is_counted_once(self, stores: Stores, model: str) -> None:
        run = await claimed(stores, model)
        assert await stores.runs.begin(run) == await stores.runs.begin(run)

    async def test_a_transition_starts_the_count_again(self, stores: Stores, model: str) -> None:
        run = await stores.runs.begin(await claimed(stores, model))
        assert (await stores.runs.advance(run, Outcome.RESOLVED)).attempts == 0


class OutputContract:
    async def test_what_was_done_early_is_kept_without_a_transition(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        run = await claimed(stores, model)
        kept = await stores.runs.keep(run, "package", OUTPUT)
        assert (kept.outputs, kept.state) == ({"package": OUTPUT}, State.REQUESTED)
        assert await others.runs.get(run.run_id) == kept
        assert await stores.runs.history(run.run_id) == []

    async def test_what_is_kept_again_replaces_the_first(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        run = await stores.runs.keep(await claimed(stores, model), "package", {"digest": "1"})
        again = await stores.runs.keep(run, "package", {"digest": "2"})
        assert again.outputs == {"package": {"digest": "2"}}
        assert await others.runs.get(run.run_id) == again

    async def test_pieces_that_were_done_side_by_side_are_all_there(self, stores: Stores, model: str) -> None:
        run = await claimed(stores, model)
        await asyncio.gather(*(stores.runs.keep(run, name, {"is": name}) for name in "abcde"))
        moved = await stores.runs.advance(run, Outcome.RESOLVED, output=OUTPUT)
        assert moved.outputs == {**{name: {"is": name} for name in "abcde"}, "resolve": OUTPUT}

    async def test_a_piece_may_be_kept_by_one_who_has_not_seen_the_newest_state(
        self, stores: Stores, model: str
    ) -> None:
        run = await claimed(stores, model)
        await stores.runs.advance(run, Outcome.RESOLVED)
        kept = await stores.runs.keep(run, "package", {"digest": "1"})
        assert (kept.state, kept.outputs) == (State.RESOLVED, {"package": {"digest": "1"}})

    async def test_the_mlflow_run_never_changes_once_it_is_set(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        run = await claimed(stores, model)
        first = await stores.runs.keep(run, "open_run", {"mlflow_run_id": "one", "experiment_id": "1"})
        assert first.mlflow_run_id == "one"
        for seen in (run, first):
            second = await stores.runs.keep(seen, "open_run", {"mlflow_run_id": "two"})
            assert second == first
        assert await others.runs.get(run.run_id) == first


class TransitionContract:
    async def test_a_transition_is_written_into_row_and_history(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        run = await stores.runs.begin(await claimed(stores, model))
        moved = await stores.runs.advance(run, Outcome.RESOLVED, output=OUTPUT)
        assert (moved.state, moved.fence, moved.owner) == (State.RESOLVED, 1, "w")
        assert list(moved.outputs["resolve"]) == ["z", "a", "m"]
        assert moved.outputs == {"resolve": OUTPUT}
        assert await others.runs.get(run.run_id) == moved
        (record,) = await stores.runs.history(run.run_id)
        assert (record.seq, record.from_state, record.to_state) == (1, State.REQUESTED, State.RESOLVED)
        assert (record.outcome, record.fence, record.run_id) == ("resolved", 1, run.run_id)

    async def test_what_held_a_run_up_is_written_with_its_transition(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        at = datetime(2026, 1, 2, tzinfo=UTC)
        facts = {"reason": "gone", "since": at, "until": at, "attempts": 3}
        waits = PastWaits().and_then([PastWait(call="split", waiting_on="mlflow", **facts)])
        run = await claimed(stores, model)
        for _ in range(2):  # the answer to the first was lost
            moved = await stores.runs.advance(run, Outcome.RESOLVED, output=OUTPUT, waits=waits)
            assert moved.outputs == {"resolve": OUTPUT, "waits": waits.model_dump(mode="json")}
        more = waits.and_then([PastWait(call="train", waiting_on=None, **facts)])
        ended = await stores.runs.advance(moved, Outcome.GAVE_UP, failure=CHILD_DIED, waits=more)
        assert ended.record.waits == more
        assert await others.runs.get(run.run_id) == ended

    async def test_a_whole_life_leaves_its_history_in_order(self, stores: Stores, model: str) -> None:
        run = await claimed(stores, model)
        for outcome in (*WAY_TO_EVALUATED, Outcome.WON):
            await stores.runs.release(run)
            run = await stores.runs.advance(await claim(stores, model), outcome, output={"is": outcome})
        ended = await stores.runs.advance(run, Outcome.PERSISTED)
        assert (ended.state, ended.owner) == (State.COMPLETED, None)
        assert set(ended.outputs) == {step.value for step in NEXT_STEP.values()} - {"persist"}
        history = await stores.runs.history(run.run_id)
        assert [record.seq for record in history] == [1, 2, 3, 4, 5, 6, 7]
        assert [record.fence for record in history] == [2, 3, 4, 5, 6, 7, 7]
        assert all(before.to_state is after.from_state for before, after in itertools.pairwise(history))

    async def test_announcements_are_in_the_outbox_in_their_order(self, stores: Stores, model: str) -> None:
        run = await claimed(stores, model)
        told = [announcement(model, topic) for topic in ("split.completed", "model.evaluated", "x", "y")]
        run = await stores.runs.advance(run, Outcome.RESOLVED, announcements=told[:3])
        await stores.runs.advance(run, Outcome.GAVE_UP, announcements=told[3:], failure=CHILD_DIED)
        rows = await stores.outbox.unsent(10)
        assert [row.announcement for row in rows] == told
        assert [list(row.announcement.headers) for row in rows] == [["ce_id", "ce_type", "a"]] * 4
        assert {row.run_id for row in rows} == {run.run_id}
        assert sorted({row.seq for row in rows}) == [row.seq for row in rows]

    async def test_an_end_says_why_and_gives_the_lease_back(self, stores: Stores, model: str) -> None:
        run = await claimed(stores, model)
        ended = await stores.runs.advance(run, Outcome.GAVE_UP, failure=CHILD_DIED)
        assert (ended.state, ended.failure, ended.owner) == (State.FAILED, CHILD_DIED, None)
        with pytest.raises(LeaseLost):
            await stores.runs.renew(run, LONG)

    async def test_a_transition_and_its_ledger_entry_are_one(self, stores: Stores, model: str) -> None:
        run = await brought_to(stores, await claimed(stores, model), *WAY_TO_EVALUATED)
        entry = following(None, model, cause=Cause.GATE, run_id=run.run_id)
        won = await stores.runs.advance(run, Outcome.WON, entry=entry)
        assert won.state is State.PROMOTED
        assert await stores.ledger.head(model) == entry

    async def test_a_promoter_that_comes_second_changes_nothing_and_goes_on(
        self, stores: Stores, model: str
    ) -> None:
        run = await brought_to(stores, await claimed(stores, model), *WAY_TO_EVALUATED)
        first = following(None, model)
        await stores.ledger.append(first)
        late = following(None, model, version=2, run_id=run.run_id)
        with pytest.raises(GenerationTaken):
            await stores.runs.advance(
                run, Outcome.WON, output=OUTPUT, announcements=[announcement(model)], entry=late
            )
        assert await stores.runs.get(run.run_id) == run
        assert len(await stores.runs.history(run.run_id)) == len(WAY_TO_EVALUATED)
        assert await stores.outbox.unsent(10) == []
        again = following(first, model, version=2, run_id=run.run_id)
        await stores.runs.advance(run, Outcome.WON, entry=again)
        assert await stores.ledger.entries(model) == [first, again]

    async def test_a_transition_that_is_said_again_is_told_that_it_was_done(
        self, stores: Stores, model: str
    ) -> None:
        """Its answer may have been lost: the repeat changes nothing, and is not called a lost lease."""
        run = await brought_to(stores, await claimed(stores, model), *WAY_TO_EVALUATED)
        told, entry = announcement(model), following(None, model, run_id=run.run_id)

        async def promote() -> Run:
            return await stores.runs.advance(
                run, Outcome.WON, output=OUTPUT, announcements=[told], entry=entry
            )

        assert await promote() == await promote()
        assert len(await stores.runs.history(run.run_id)) == len(WAY_TO_EVALUATED) + 1
        assert [row.announcement for row in await stores.outbox.unsent(10)] == [told]
        assert await stores.ledger.entries(model) == [entry]

    async def test_an_end_that_is_said_again_is_told_that_it_was_done(
        self, stores: Stores, model: str
    ) -> None:
        run = await claimed(stores, model)
        first = await stores.runs.advance(run, Outcome.REFUSED, failure=CHILD_DIED)
        assert await stores.runs.advance(run, Outcome.REFUSED, failure=CHILD_DIED) == first

    async def test_what_the_table_does_not_know_is_refused(self, stores: Stores, model: str) -> None:
        run = await claimed(stores, model)
        with pytest.raises(IllegalTransition):
            await stores.runs.advance(run, Outcome.WON)
        assert await stores.runs.get(run.run_id) == run

    async def test_a_promotion_is_not_announced_with_a_transition(self, stores: Stores, model: str) -> None:
        """Only the ledger knows when a generation's turn has come."""
        run = await claimed(stores, model)
        told = announcement(model, ModelPromoted.topic)
        with pytest.raises(IllegalTransition):
            await stores.runs.advance(run, Outcome.RESOLVED, announcements=[told])
        assert await stores.runs.get(run.run_id) == run


Write = Callable[[Stores, Run], Awaitable[object]]


async def _advance(stores: Stores, run: Run) -> object:
    told = announcement(run.model_name, event_id=f"stale of {run.run_id}")
    return await stores.runs.advance(run, Outcome.RESOLVED, output={"stale": True}, announcements=[told])


async def _end(stores: Stores, run: Run) -> object:
    return await stores.runs.advance(run, Outcome.GAVE_UP, failure=CHILD_DIED)


WRITES: dict[str, Write] = {
    "advance": _advance,
    "end": _end,
    "begin": lambda stores, run: stores.runs.begin(run),
    "keep": lambda stores, run: stores.runs.keep(run, "stale", {}),
    "keep open_run": lambda stores, run: stores.runs.keep(run, "open_run", {"mlflow_run_id": "stale"}),
    "renew": lambda stores, run: stores.runs.renew(run, LONG),
    "postpone": lambda stores, run: stores.runs.postpone(run, 0.0, MLFLOW_AWAY, waiting_on="mlflow"),
    "note_waiting": lambda stores, run: stores.runs.note_waiting(run, MLFLOW_AWAY, waiting_on="mlflow"),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
class StaleClaimContract:
    async def test_a_worker_whose_run_was_taken_over_changes_nothing(
        self, stores: Stores, others: Stores, model: str, write: Write
    ) -> None:
        stale = await claimed(stores, model, lease=0.0)
        taken = await claim(others, model)
        await self._changes_nothing(stores, stale, taken, write)

    async def test_it_changes_nothing_while_the_other_works_or_when_the_other_is_done(
        self, stores: Stores, others: Stores, model: str, write: Write
    ) -> None:
        stale = await claimed(stores, model, lease=0.0)
        taken = await others.runs.advance(await claim(others, model), Outcome.RESOLVED, output={"right": 1})
        await self._changes_nothing(stores, stale, taken, write)
        ended = await others.runs.advance(taken, Outcome.GAVE_UP, failure=MLFLOW_AWAY)
        await self._changes_nothing(stores, stale, ended, write)

    async def test_a_lease_that_ran_out_is_lost_even_if_nobody_took_it(
        self, stores: Stores, model: str, write: Write
    ) -> None:
        late = await claimed(stores, model, lease=0.0)
        await self._changes_nothing(stores, late, late, write)

    async def test_a_lease_that_was_given_back_is_lost_too(
        self, stores: Stores, model: str, write: Write
    ) -> None:
        run = await claimed(stores, model)
        await stores.runs.release(run)
        free = await stores.runs.get(run.run_id)
        assert free is not None
        await self._changes_nothing(stores, run, free, write)

    async def _changes_nothing(self, stores: Stores, stale: Run, now: Run, write: Write) -> None:
        history = await stores.runs.history(stale.run_id)
        with pytest.raises(LeaseLost):
            await write(stores, stale)
        assert await stores.runs.get(stale.run_id) == now
        assert await stores.runs.history(stale.run_id) == history
        assert await stores.outbox.unsent(10) == []


class RaceContract:
    async def test_of_all_who_move_a_run_on_at_once_one_does(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        """One claim, two different outcomes, said by several tasks: the first one stands."""
        for _ in range(20):
            run = await claimed(stores, model)
            tries = [
                process.runs.advance(run, outcome, announcements=[announcement(model, event_id=event_id)])
                for process in (stores, others)
                for outcome, event_id in (
                    (Outcome.RESOLVED, f"{run.run_id} resolved"),
                    (Outcome.REFUSED, f"{run.run_id} refused"),
                )
            ]
            results = await asyncio.gather(*tries, return_exceptions=True)
            now = await stores.runs.get(run.run_id)
            assert [result for result in results if isinstance(result, Run)] == [now, now]
            assert sum(isinstance(result, LeaseLost) for result in results) == 2
            (record,) = await stores.runs.history(run.run_id)
            assert record.to_state == advance(State.REQUESTED, Outcome(record.outcome))
            told = [row for row in await stores.outbox.unsent(100) if row.run_id == run.run_id]
            assert [row.announcement.event_id for row in told] == [f"{run.run_id} {record.outcome}"]


class TestFakeAttempts(OnFakes, AttemptContract):
    """In memory."""


class TestPostgresAttempts(OnPostgres, AttemptContract):
    """On PostgreSQL."""


class TestFakeOutputs(OnFakes, OutputContract):
    """In memory."""


class TestPostgresOutputs(OnPostgres, OutputContract):
    """On PostgreSQL."""


class TestFakeTransitions(OnFakes, TransitionContract):
    """In memory."""


class TestPostgresTransitions(OnPostgres, TransitionContract):
    """On PostgreSQL."""


class TestFakeStaleClaims(OnFakes, StaleClaimContract):
    """In memory."""


class TestPostgresStaleClaims(OnPostgres, StaleClaimContract):
    """On PostgreSQL."""


class TestFakeRaces(OnFakes, RaceContract):
    """In memory."""


class TestPostgresRaces(OnPostgres, RaceContract):
    """On PostgreSQL."""
