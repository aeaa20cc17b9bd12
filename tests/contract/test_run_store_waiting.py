"""What every RunStore promises about runs that wait, workers that sleep, and people who look."""

import asyncio

import pytest

from domain.errors import LeaseLost
from domain.lifecycle import Outcome, State
from domain.run import Run
from tests.contract.stores import (
    CHILD_DIED,
    LONG,
    MLFLOW_AWAY,
    SHORT,
    OnFakes,
    OnPostgres,
    Stores,
    brought_to,
    claim,
    claim_in_time,
    claimed,
    request,
)
from tests.kit.eventually import eventually


class PostponeContract:
    async def test_a_postponed_run_is_free_but_not_runnable_before_its_time(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        run = await stores.runs.begin(await claimed(stores, model))
        await stores.runs.postpone(run, LONG, CHILD_DIED, waiting_on=None)
        assert await others.runs.claim(model, "other", LONG) is None
        waiting = await self._row(stores, run)
        assert (waiting.owner, waiting.failure, waiting.waiting_on) == (None, CHILD_DIED, None)
        assert waiting.attempts == 1

    async def test_a_postponed_run_becomes_runnable_by_time_alone(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        run = await claimed(stores, model)
        await stores.runs.postpone(run, SHORT, CHILD_DIED, waiting_on=None)
        again = await claim_in_time(others, model)
        assert (again.run_id, again.fence) == (run.run_id, 2)

    async def test_waiting_for_a_service_is_shown_and_costs_no_attempt(
        self, stores: Stores, model: str
    ) -> None:
        run = await stores.runs.begin(await stores.runs.begin(await claimed(stores, model)))
        await stores.runs.postpone(run, 0.0, MLFLOW_AWAY, waiting_on="mlflow")
        waiting = await self._row(stores, run)
        assert (waiting.waiting_on, waiting.failure, waiting.attempts) == ("mlflow", MLFLOW_AWAY, 1)
        assert waiting.waiting_since is not None

    async def test_a_run_waits_since_its_first_wait_until_it_moves_on(
        self, stores: Stores, model: str
    ) -> None:
        run = await claimed(stores, model)
        await stores.runs.postpone(run, 0.0, MLFLOW_AWAY, waiting_on="mlflow")
        since = (await self._row(stores, run)).waiting_since
        for waiting_on in ("dvc_remote", None, "mlflow"):
            run = await claim(stores, model)
            assert run.waiting_since == since
            await stores.runs.postpone(run, 0.0, MLFLOW_AWAY, waiting_on=waiting_on)
        assert (await self._row(stores, run)).waiting_since == since
        moved = await stores.runs.advance(await claim(stores, model), Outcome.RESOLVED)
        assert (moved.waiting_on, moved.waiting_since, moved.failure) == (None, None, None)

    async def test_a_pause_does_not_outlive_a_transition(self, stores: Stores, model: str) -> None:
        run = await claimed(stores, model)
        await stores.runs.postpone(run, 0.0, CHILD_DIED, waiting_on=None)
        run = await stores.runs.advance(await claim(stores, model), Outcome.RESOLVED)
        await stores.runs.release(run)
        assert (await claim(stores, model)).run_id == run.run_id

    async def test_a_pause_that_is_said_again_is_told_that_it_was_done(
        self, stores: Stores, model: str
    ) -> None:
        run = await stores.runs.begin(await stores.runs.begin(await claimed(stores, model)))
        for _ in range(2):
            await stores.runs.postpone(run, LONG, MLFLOW_AWAY, waiting_on="mlflow")
        assert (await self._row(stores, run)).attempts == 1

    async def test_a_wait_in_place_is_shown_while_the_lease_is_held(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        run = await claimed(stores, model)
        await stores.runs.note_waiting(run, MLFLOW_AWAY, waiting_on="mlflow")
        first = await self._row(others, run)
        await stores.runs.note_waiting(run, MLFLOW_AWAY, waiting_on="mlflow")
        shown = await self._row(others, run)
        assert (shown.waiting_on, shown.failure, shown.owner) == ("mlflow", MLFLOW_AWAY, "w")
        assert shown.waiting_since == first.waiting_since is not None
        await stores.runs.note_waiting(run, None, waiting_on=None)
        over = await self._row(others, run)
        assert (over.waiting_on, over.waiting_since, over.failure) == (None, None, None)

    async def _row(self, stores: Stores, run: Run) -> Run:
        now = await stores.runs.get(run.run_id)
        assert now is not None
        return now


class WakingContract:
    """Each sleep could last a minute; the test's own time limit is what fails when nobody wakes up."""

    async def test_a_worker_wakes_up_when_a_request_comes_in(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        sleeper = await self._asleep(stores, model)
        await others.runs.add(request(model))
        await self._wakes_up(sleeper)

    async def test_a_request_that_came_between_looking_and_sleeping_is_not_slept_through(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        assert await stores.runs.claim(model, "w", LONG) is None
        await others.runs.add(request(model))
        await self._wakes_up(asyncio.create_task(stores.runs.wait_for_work(LONG)))
        assert await eventually(lambda: stores.runs.claim(model, "w", LONG))

    async def test_a_second_request_is_not_slept_through_by_a_second_runner_of_the_process(
        self, stores: Stores, model: str
    ) -> None:
        """One runner's successful claim says nothing about what is left for the other."""
        assert await stores.runs.claim(model, "w", LONG) is None
        for _ in range(2):
            await stores.runs.add(request(model))
        await claim(stores, model)
        await self._wakes_up(asyncio.create_task(stores.runs.wait_for_work(LONG)))

    async def test_a_worker_wakes_up_when_a_run_is_given_back(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        run = await claimed(others, model)
        sleeper = await self._asleep(stores, model)
        await others.runs.release(run)
        await self._wakes_up(sleeper)

    async def test_a_worker_wakes_up_when_a_pause_is_over(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        run = await claimed(others, model)
        await others.runs.postpone(run, SHORT, CHILD_DIED, waiting_on=None)
        await self._comes_to_claim(stores, model)

    async def test_a_worker_wakes_up_when_anothers_lease_ran_out(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        await claimed(others, model, lease=SHORT)
        await self._comes_to_claim(stores, model)

    async def test_a_worker_that_sleeps_hears_of_a_pause_that_begins(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        run = await claimed(others, model)
        sleeper = await self._asleep(stores, model)
        await others.runs.postpone(run, SHORT, CHILD_DIED, waiting_on=None)
        await self._wakes_up(sleeper)
        await self._comes_to_claim(stores, model)

    async def test_without_work_the_sleep_ends_with_its_time(self, stores: Stores, model: str) -> None:
        assert await stores.runs.claim(model, "w", LONG) is None
        await self._wakes_up(asyncio.create_task(stores.runs.wait_for_work(SHORT)))

    async def _asleep(self, stores: Stores, model: str) -> "asyncio.Task[None]":
        """Sleep, behind whatever else there is to wake up for."""
        while True:
            assert await stores.runs.claim(model, "w", LONG) is None
            sleeper = asyncio.create_task(stores.runs.wait_for_work(LONG))
            done, _ = await asyncio.wait({sleeper}, timeout=SHORT)
            if not done:
                return sleeper

    async def _wakes_up(self, sleeper: "asyncio.Task[None]") -> None:
        async with asyncio.timeout(20):
            await sleeper

    async def _comes_to_claim(self, stores: Stores, model: str) -> None:
        async with asyncio.timeout(20):
            while await stores.runs.claim(model, "w", LONG) is None:
                await stores.runs.wait_for_work(LONG)


class LookingContract:
    async def test_the_newest_requests_come_first(self, stores: Stores, model: str) -> None:
        for identity in ("first", "second", "third"):
            await stores.runs.add(request(model, identity))
        await stores.runs.add(request(f"{model}, another", "foreign"))
        recent = [run.identity for run in await stores.runs.recent(model, 2)]
        assert recent == ["third", "second"]

    async def test_runs_are_found_by_state_and_by_being_unfinished(self, stores: Stores, model: str) -> None:
        for identity in ("rejected", "resolved", "requested"):
            await stores.runs.add(request(model, identity))
        await stores.runs.advance(await claim(stores, model), Outcome.REFUSED)
        await stores.runs.advance(await claim(stores, model), Outcome.RESOLVED)

        async def found(*states: State, unfinished: bool = False) -> list[str]:
            runs = await stores.runs.recent(model, 10, states, unfinished=unfinished)
            return [run.identity for run in runs]

        assert await found() == ["requested", "resolved", "rejected"]
        assert await found(unfinished=True) == ["requested", "resolved"]
        assert await found(State.REJECTED, State.REQUESTED) == ["requested", "rejected"]
        assert await found(State.REJECTED, unfinished=True) == []

    async def test_a_run_is_found_by_its_whole_identity_or_mlflow_run_alone(
        self, stores: Stores, model: str
    ) -> None:
        await stores.runs.add(request(model, f"identity of {model}"))
        mlflow_run = f"mlflow run of {model}"
        run = await stores.runs.keep(await claim(stores, model), "open_run", {"mlflow_run_id": mlflow_run})
        for text in (run.identity, mlflow_run):
            assert await stores.runs.find(text) == [run]
        for text in (run.run_id, run.run_id[:13], run.identity[:-1], mlflow_run[:-1]):
            assert list(await stores.runs.find(text)) == []

    async def test_a_run_is_searched_by_what_a_person_has_at_hand(self, stores: Stores, model: str) -> None:
        await stores.runs.add(request(model, f"identity of {model}"))
        mlflow_run = f"mlflow run of {model}"
        run = await stores.runs.keep(await claim(stores, model), "open_run", {"mlflow_run_id": mlflow_run})
        for text in (run.run_id, run.run_id[:13], run.identity, mlflow_run):
            assert await stores.runs.search(text) == [run]

    async def test_a_run_is_searched_by_the_beginning_of_any_of_its_ids(
        self, stores: Stores, model: str
    ) -> None:
        one, other = (f"{name}%_ of {model}" for name in ("one", "other"))
        for name in (one, other):
            asked = request(model, f"event:/x {name}").model_copy(update={"causation_id": f"by {name}"})
            await stores.runs.add(asked)
        mlflow_run = f"mlflow run of {model}"
        run = await stores.runs.keep(await claim(stores, model), "open_run", {"mlflow_run_id": mlflow_run})
        ids = (run.run_id, f"by {one}", run.correlation_id, mlflow_run)
        for text in (*ids, *(whole[:-3] for whole in ids if model in whole), run.identity):
            assert [found.run_id for found in await stores.runs.search(text)] == [run.run_id], text
        newest_first = [found.causation_id for found in await stores.runs.search("by o")]
        assert [name for name in newest_first if name and model in name] == [f"by {other}", f"by {one}"]

    @pytest.mark.parametrize("text", ["", "%", "_", "\\", "%%%%", "nothing like it"])
    async def test_a_text_that_names_no_run_finds_none(self, stores: Stores, model: str, text: str) -> None:
        await stores.runs.add(request(model))
        assert list(await stores.runs.find(text)) == []
        assert list(await stores.runs.search(text)) == []

    async def test_a_run_that_does_not_exist_is_none_and_has_no_history(self, stores: Stores) -> None:
        assert await stores.runs.get("no such run") is None
        assert list(await stores.runs.history("no such run")) == []


class ChoreContract:
    async def test_chores_of_ended_runs_are_offered_oldest_first_until_done(
        self, stores: Stores, model: str
    ) -> None:
        for identity in ("first", "second", "unfinished"):
            await stores.runs.add(request(model, identity))
        for _ in range(2):
            await stores.runs.advance(await claim(stores, model), Outcome.REFUSED)
        first, second = await stores.runs.ended_without(model, "pictures", 10)
        assert (first.identity, second.identity) == ("first", "second")
        for _ in range(2):
            await stores.runs.job_done(first.run_id, "pictures")
        assert await stores.runs.ended_without(model, "pictures", 10) == [second]
        assert await stores.runs.ended_without(model, "status", 10) == [first, second]
        assert await stores.runs.ended_without(model, "status", 1) == [first]

    async def test_a_record_that_was_made_late_is_noted_once(self, stores: Stores, model: str) -> None:
        ended = await brought_to(stores, await claimed(stores, model), Outcome.RESOLVED, Outcome.GAVE_UP)
        for mlflow_run_id in ("first", "second"):
            await stores.runs.recorded_as(ended.run_id, mlflow_run_id)
        noted = await stores.runs.get(ended.run_id)
        assert noted == ended.model_copy(update={"mlflow_run_id": "first"})

    async def test_a_chore_changes_nothing_else_of_a_run(self, stores: Stores, model: str) -> None:
        ended = await brought_to(stores, await claimed(stores, model), Outcome.RESOLVED, Outcome.GAVE_UP)
        await stores.runs.job_done(ended.run_id, "status")
        assert await stores.runs.get(ended.run_id) == ended
        with pytest.raises(LeaseLost):
            await stores.runs.renew(ended, LONG)


class TestFakePostponing(OnFakes, PostponeContract):
    """In memory."""


class TestPostgresPostponing(OnPostgres, PostponeContract):
    """On PostgreSQL."""


class TestFakeWaking(OnFakes, WakingContract):
    """In memory."""


class TestPostgresWaking(OnPostgres, WakingContract):
    """On PostgreSQL."""


class TestFakeLooking(OnFakes, LookingContract):
    """In memory."""


class TestPostgresLooking(OnPostgres, LookingContract):
    """On PostgreSQL."""


class TestFakeChores(OnFakes, ChoreContract):
    """In memory."""


class TestPostgresChores(OnPostgres, ChoreContract):
    """On PostgreSQL."""
