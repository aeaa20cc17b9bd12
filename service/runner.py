"""The runner: claims the oldest runnable run, moves it step by step, and gives it back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from domain.errors import GenerationTaken, LeaseLost, NeverRetry, Stop, TryLater
from domain.lifecycle import State, Step
from domain.models import OpenedRun
from domain.points import Point
from domain.run import Failure, Run
from service.aftercare import Aftercare
from service.commits import Commit, commit_of_failure, commit_of_step
from service.lease import under_lease
from service.ledger_projector import LedgerProjector
from service.patience import RetryPolicy, failure_of
from service.reconciler import STATUS_CHORE
from service.steps import record
from service.waiting import SlotGivenBack
from service.work import Work
from service.world import Heavy, World

T = TypeVar("T")
log = structlog.get_logger()

_IDLE_SECONDS = 5.0  # how long a runner sleeps when nothing wakes it
_STORE_PAUSE_SECONDS = 0.5  # between two tries of a write while the run store is away


class Runner:
    """Carries one lifecycle at a time. A worker has as many runners as it carries side by side."""

    def __init__(
        self,
        world: World,
        heavy: Heavy,
        projector: LedgerProjector,
        retry: RetryPolicy,
        lease_seconds: float,
        aftercare: Aftercare,
    ) -> None:
        self._world = world
        self._heavy = heavy
        self._projector = projector
        self._retry = retry
        self._lease_seconds = lease_seconds
        self._aftercare = aftercare

    async def run_forever(self) -> None:
        """Claim and carry until cancelled; a run in hand is then given back at once."""
        while True:
            try:
                if not await self.run_one():
                    await self._world.store.wait_for_work(_IDLE_SECONDS)
            except TryLater as error:
                log.warning("run_store_away", reason=error.reason, message=error.message)
                await self._world.clock.sleep(_STORE_PAUSE_SECONDS)

    async def run_one(self) -> bool:
        """Claim one run and carry it as far as it goes; False when nothing is runnable."""
        world = self._world
        world.waits.look(world.clock.monotonic(), world.metrics)
        run = await world.store.claim(world.model_name, world.worker, self._lease_seconds)
        if run is None:
            return False
        await world.points.at(Point.CLAIM_AFTER_COMMIT)
        facts = {"run": run.run_id, "correlation": run.correlation_id, "fence": run.fence}
        self._aftercare.run_began()
        try:
            with structlog.contextvars.bound_contextvars(**facts):
                await self._carry_while_held(run)
        finally:
            self._aftercare.run_left()
        return True

    async def _carry_while_held(self, run: Run) -> None:
        hold_until = self._heavy.hold_until
        try:
            await under_lease(self._carry(run), run, self._world, self._lease_seconds, hold_until)
        except LeaseLost as error:
            self._world.metrics.count("laurel_leases_lost_total")
            log.warning("lease_lost", message=error.message)
        except asyncio.CancelledError:
            await self._give_back(run)
            raise

    async def _carry(self, run: Run) -> None:
        work = Work(run, self._world, self._heavy, self._projector, self._retry)
        try:
            while not work.run.ended:
                if not await self._move(work):
                    return
            self._tell_the_end(work.run)
            if work.record_closed:
                await self._world.store.chore_done(work.run.run_id, STATUS_CHORE)
        finally:
            await work.close()

    def _tell_the_end(self, run: Run) -> None:
        state, metrics = run.state.value, self._world.metrics
        seconds = (run.updated_at - run.requested_at).total_seconds()
        log.info("run_ended", state=state)
        metrics.count("laurel_runs_ended_total", state=state)
        metrics.observe("laurel_run_duration_seconds", max(seconds, 0.0), state=state)

    async def _move(self, work: Work) -> bool:
        """Take one step and commit it; False when the run was put off."""
        step = work.run.next_step
        work.run = await self._insist(lambda: self._world.store.begin(work.run))
        try:
            self._refuse_a_crash_loop(work.run)
            await self._take(work, step)
        except NeverRetry as error:
            return await self._give_up(work, step, failure_of(error))
        except TryLater as error:
            return await self._try_again(work, step, error)
        except (LeaseLost, Stop):
            raise
        except Exception as error:
            log.exception("defect", step=step.value)
            message = f"a defect of Laurel in step {step.value}: {type(error).__name__}; its log has the rest"
            return await self._give_up(work, step, Failure(reason="internal_error", message=message))
        return True

    async def _take(self, work: Work, step: Step) -> None:
        began = self._world.clock.monotonic()
        if step not in {Step.RESOLVE, Step.PERSIST}:
            work.start_ahead()
        try:
            await self._take_until_committed(work, step)
        finally:
            seconds = self._world.clock.monotonic() - began
            self._world.metrics.observe("laurel_step_duration_seconds", seconds, step=step.value)

    async def _take_until_committed(self, work: Work, step: Step) -> None:
        while True:
            try:
                return await self._commit(work, step, await commit_of_step(work, self._world))
            except GenerationTaken:
                log.info("head_moved", message="another candidate was promoted first: judged again")

    def _refuse_a_crash_loop(self, run: Run) -> None:
        if run.attempts > self._retry.max_attempts and run.state is not State.PROMOTED:
            spent = run.attempts - 1
            message = (
                f"the step {run.next_step} was started {spent} times, and each time its worker or child died"
            )
            raise NeverRetry("crash_loop", message, attempts=spent)

    async def _commit(self, work: Work, step: Step, commit: Commit) -> None:
        await self._world.points.at(Point(f"{step}.before_commit"))
        was = work.run
        work.run = await self._insist(
            lambda: self._world.store.advance(
                was,
                commit.outcome,
                output=commit.output,
                announcements=commit.announcements,
                entry=commit.entry,
                failure=commit.failure,
            )
        )
        await self._world.points.at(Point(f"{step}.after_commit"))
        log.info("state", was=was.state.value, now=work.run.state.value)

    async def _give_up(self, work: Work, step: Step, failure: Failure) -> bool:
        if work.run.state is State.PROMOTED:
            return await self._put_off(work, failure, waiting_on=failure.reason)
        self._count_failure(step, failure)
        opened = await work.opened_already()
        await work.close()
        log.error("run_failed", reason=failure.reason, message=failure.message)
        await self._close_record(work, opened, failure)
        await self._commit(work, step, commit_of_failure(work.run, failure, self._world))
        return True

    async def _close_record(self, work: Work, opened: OpenedRun | None, failure: Failure) -> None:
        """Set the MLflow status; if MLflow is away, the reconciler sets it later."""
        work.record_closed = False
        if opened is None:
            return
        work.run = work.run.model_copy(update={"mlflow_run_id": opened.mlflow_run_id})
        try:
            await record.close_as_failed(work.run, opened.mlflow_run_id, failure, self._world)
            work.record_closed = True
        except (TryLater, NeverRetry) as error:
            log.warning("status_left_for_later", reason=error.reason)

    async def _try_again(self, work: Work, step: Step, error: TryLater) -> bool:
        if isinstance(error, SlotGivenBack):
            return await self._give_slot_back(work, error)
        spent = error.waiting_on is None and work.run.attempts >= self._retry.max_attempts
        if spent and work.run.state is not State.PROMOTED:
            return await self._give_up(work, step, failure_of(error))
        return await self._put_off(work, failure_of(error), waiting_on=error.waiting_on)

    async def _put_off(self, work: Work, failure: Failure, waiting_on: str | None) -> bool:
        self._count_failure(work.run.next_step, failure)
        pause = self._retry.pause_after(work.run.attempts)
        log.warning("put_off", reason=failure.reason, message=failure.message, seconds=pause)
        await work.close()
        await self._insist(
            lambda: self._world.store.postpone(work.run, pause, failure, waiting_on=waiting_on)
        )
        return False

    async def _give_slot_back(self, work: Work, error: SlotGivenBack) -> bool:
        pause, service = self._retry.longest_pause, str(error.waiting_on)
        await work.put_off(pause)
        await self._insist(
            lambda: self._world.store.postpone(work.run, pause, failure_of(error), waiting_on=service)
        )
        log.info("slot_given_back", waiting_on=service, reason=error.reason, seconds=pause)
        self._world.metrics.count("laurel_slots_given_back_total", service=service)
        return False

    def _count_failure(self, step: Step, failure: Failure) -> None:
        self._world.metrics.count("laurel_step_failures_total", step=step.value, reason=failure.reason)

    async def _give_back(self, run: Run) -> None:
        try:
            await self._world.store.release(run)
        except TryLater:
            log.warning("lease_left_to_run_out", message="the run store does not answer")

    async def _insist(self, write: Callable[[], Awaitable[T]]) -> T:
        """Write to the run store until it answers; the lease decides how long that may take."""
        while True:
            try:
                return await write()
            except TryLater as error:
                log.warning("run_store_away", reason=error.reason, message=error.message)
                await self._world.clock.sleep(_STORE_PAUSE_SECONDS)
