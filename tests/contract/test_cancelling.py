"""What every RunStore promises about cancelling: the run ends whoever holds it, who has then lost it."""

import asyncio

import pytest

from domain.errors import IllegalTransition, LeaseLost
from domain.lifecycle import Outcome, State
from domain.run import Failure, Run
from tests.contract.stores import (
    LONG,
    WAY_TO_EVALUATED,
    OnFakes,
    OnPostgres,
    Stores,
    announcement,
    brought_to,
    claim,
    claimed,
)

CANCELLED = Failure(reason="cancelled", message="cancelled by somebody", facts={"by": "somebody"})
SECONDS = 30.0  # until what takes a moment counts as hanging


async def cancel(stores: Stores, run: Run, event_id: str | None = None) -> Run:
    told = announcement(run.model_name, event_id=event_id or f"{run.run_id} cancelled")
    return await stores.runs.cancel(run, CANCELLED, (told,))


class CancelContract:
    async def test_a_run_in_hand_ends_under_the_next_fence_and_is_announced_with_it(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        run = await stores.runs.keep(await claimed(stores, model), "package", {"digest": "1"})
        ended = await cancel(others, run)

        assert (ended.state, ended.owner, ended.fence) == (State.FAILED, None, run.fence + 1)
        assert (ended.failure, ended.outputs) == (CANCELLED, {"package": {"digest": "1"}})
        assert await stores.runs.get(run.run_id) == ended
        [record] = await stores.runs.history(run.run_id)
        assert (record.outcome, record.fence, record.to_state) == ("cancelled", ended.fence, State.FAILED)
        assert [row.run_id for row in await stores.outbox.unsent(10)] == [run.run_id]
        assert await stores.runs.claim(model, "another", LONG) is None
        for lost in (
            stores.runs.renew(run, LONG),
            stores.runs.keep(run, "package", {"digest": "2"}),
            stores.runs.advance(run, Outcome.RESOLVED),
            stores.runs.note_waiting(run, None, waiting_on=None),
        ):
            with pytest.raises(LeaseLost):
                await lost
        await stores.runs.release(run)
        assert await stores.runs.get(run.run_id) == ended

    async def test_its_holder_hears_of_it(self, stores: Stores, others: Stores, model: str) -> None:
        run = await claimed(stores, model)
        heard = asyncio.ensure_future(stores.runs.wait_for_cancelling(None))
        await asyncio.sleep(0)

        await cancel(others, run)

        seen = await asyncio.wait_for(heard, SECONDS)
        await cancel(others, await claimed(others, model))
        assert await asyncio.wait_for(stores.runs.wait_for_cancelling(seen), SECONDS) > seen

    async def test_what_is_said_again_or_by_another_is_told_what_became_of_it(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        run = await claimed(stores, model)
        assert await cancel(stores, run) == await cancel(others, run, "another") == await cancel(stores, run)
        assert len(await stores.runs.history(run.run_id)) == 1
        assert len(await stores.outbox.unsent(10)) == 1

    async def test_a_run_that_went_on_is_left_alone(self, stores: Stores, others: Stores, model: str) -> None:
        seen = await claimed(stores, model)
        moved = await stores.runs.advance(seen, Outcome.RESOLVED)
        await stores.runs.release(moved)
        taken = await claim(others, model)
        for stale in (seen, moved):
            with pytest.raises(LeaseLost):
                await cancel(stores, stale)
        assert await stores.runs.get(seen.run_id) == taken
        assert await stores.outbox.unsent(10) == []

    async def test_from_its_evaluation_on_the_table_knows_no_cancelling(
        self, stores: Stores, model: str
    ) -> None:
        run = await brought_to(stores, await claimed(stores, model), *WAY_TO_EVALUATED)
        with pytest.raises(IllegalTransition):
            await cancel(stores, run)
        assert await stores.runs.get(run.run_id) == run

    async def test_of_a_holder_and_two_who_cancel_at_once_one_side_wins(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        for _ in range(10):
            run = await brought_to(stores, await claimed(stores, model), *WAY_TO_EVALUATED[:-1])
            told = announcement(model, event_id=f"{run.run_id} evaluated")
            tries = (
                stores.runs.advance(run, Outcome.EVALUATED, announcements=(told,)),
                cancel(others, run),
                cancel(stores, run),
            )
            moved, *ended = await asyncio.gather(*tries, return_exceptions=True)
            now = await stores.runs.get(run.run_id)
            assert now is not None
            lost, won = (ended, [moved]) if now.state is State.EVALUATED else ([moved], ended)
            assert all(isinstance(one, LeaseLost) for one in lost)
            assert won == [now] * len(won)
            assert sum(row.run_id == run.run_id for row in await stores.outbox.unsent(100)) == 1


class TestFakeCancelling(OnFakes, CancelContract):
    """In memory."""


class TestPostgresCancelling(OnPostgres, CancelContract):
    """On PostgreSQL."""
