"""The runner: claims the oldest runnable run, moves it step by step, and gives it back."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from domain.errors import GenerationTaken, LeaseLost, NeverRetry, PromotionBarred, Stop, TryLater
from domain.lifecycle import State, Step
from domain.models import OpenedRun
from domain.points import Point, Points
from domain.ports.clock import Clock
from domain.ports.run_store import RunStore
from domain.run import Failure, Run
from service.lifecycle.background_jobs import BackgroundJobs
from service.lifecycle.events import Announcer
from service.lifecycle.execution import Work
from service.lifecycle.lease import LeaseKeeper
from service.lifecycle.patient_calls import SlotGivenBack
from service.lifecycle.run_status import RecordCloser, cancelled_meanwhile
from service.lifecycle.steps import record_end
from service.lifecycle.transitions import Commit, commit_of_failure, commit_of_step
from service.promotion.reconciler import STATUS_JOB
from service.runtime.metrics import Metrics, Waits
from service.runtime.retry import RetryPolicy, failure_of

T = TypeVar("T")
log = structlog.get_logger()

_IDLE_SECONDS = 5.0  # how long a runner sleeps when nothing wakes it
_STORE_PAUSE_SECONDS = 0.5  # between two tries of a write while the run store is away


@dataclass(frozen=True)
class Runner:
    """Carries one lifecycle at a time. A worker has as many runners as it carries side by side."""

    model_name: str
    worker: str
    store: RunStore
    clock: Clock
    points: Points
    metrics: Metrics
    waits: Waits
    announcer: Announcer
    closer: RecordCloser
    lease: LeaseKeeper
    retry: RetryPolicy
    background_jobs: BackgroundJobs
    begin_work: Callable[[Run], Work]

    async def run_forever(self) -> None:
        """Claim and carry until cancelled; a run in hand is then given back at once."""
        while True:
            try:
                if not await self.run_one():
                    await self.store.wait_for_work(_IDLE_SECONDS)
            except TryLater as error:
                log.warning("run_store_away", reason=error.reason, message=error.message)
                await self.clock.sleep(_STORE_PAUSE_SECONDS)

    async def run_one(self) -> bool:
        """Claim one run and carry it as far as it goes; False when nothing is runnable."""
        self.waits.look(self.clock.monotonic(), self.metrics)
        run = await self.store.claim(self.model_name, self.worker, self.lease.lease_seconds)
        if run is None:
            return False
        await self.points.at(Point.CLAIM_AFTER_COMMIT)
        facts = {"run": run.run_id, "correlation": run.correlation_id, "fence": run.fence}
        self.background_jobs.run_began()
        try:
            with structlog.contextvars.bound_contextvars(**facts):
                await self._carry_while_held(run)
        finally:
            self.background_jobs.run_left()
        return True

    async def _carry_while_held(self, run: Run) -> None:
        try:
            await self.lease.under_lease(self._carry(run), run)
        except LeaseLost as error:
            await self._leave_lost(run, error)
        except asyncio.CancelledError:
            await self._give_back(run)
            raise

    async def _leave_lost(self, run: Run, error: LeaseLost) -> None:
        ended = await cancelled_meanwhile(run, self.store)
        if ended is None:
            self.metrics.count("laurel_leases_lost_total")
            log.warning("lease_lost", message=error.message)
        else:
            self._tell_the_end(ended)
            await self.closer.close_cancelled(ended)

    async def _carry(self, run: Run) -> None:
        work = self.begin_work(run)
        try:
            while not work.run.ended:
                if not await self._move(work):
                    return
            self._tell_the_end(work.run)
            if work.record_closed:
                await self.store.job_done(work.run.run_id, STATUS_JOB)
        finally:
            await work.close()

    def _tell_the_end(self, run: Run) -> None:
        state, metrics = run.state.value, self.metrics
        seconds = (run.updated_at - run.requested_at).total_seconds()
        log.info("run_ended", state=state)
        metrics.count("laurel_runs_ended_total", state=state)
        metrics.observe("laurel_run_duration_seconds", max(seconds, 0.0), state=state)

    async def _move(self, work: Work) -> bool:
        """Take one step and commit it; False when the run was put off."""
        step = work.run.next_step
        work.run = await self._insist(lambda: self.store.begin(work.run))
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
            message = (
                f"a defect of Laurel in step {step.value}: {type(error).__name__}; its log has the traceback"
            )
            return await self._give_up(work, step, Failure(reason="internal_error", message=message))
        return True

    async def _take(self, work: Work, step: Step) -> None:
        began = self.clock.monotonic()
        if step not in {Step.RESOLVE, Step.PERSIST}:
            work.start_ahead()
        try:
            await self._take_until_committed(work, step)
        finally:
            seconds = self.clock.monotonic() - began
            self.metrics.observe("laurel_step_duration_seconds", seconds, step=step.value)

    async def _take_until_committed(self, work: Work, step: Step) -> None:
        while True:
            try:
                return await self._commit(work, step, await commit_of_step(work, self.announcer))
            except GenerationTaken:
                log.info("head_moved", message="another candidate was promoted first: judged again")
            except PromotionBarred as error:
                log.info("promotion_barred", reason=error.reason, message=f"{error.message}: judged again")

    def _refuse_a_crash_loop(self, run: Run) -> None:
        if run.attempts > self.retry.max_attempts and run.state is not State.PROMOTED:
            spent = run.attempts - 1
            message = (
                f"the step {run.next_step} was started {spent} times, and each time its worker or child died"
            )
            raise NeverRetry("crash_loop", message, attempts=spent)

    async def _commit(self, work: Work, step: Step, commit: Commit) -> None:
        await self.points.at(Point(f"{step}.before_commit"))
        was = work.run
        work.run = await self._insist(
            lambda: self.store.advance(
                was,
                commit.outcome,
                output=commit.output,
                announcements=commit.announcements,
                entry=commit.entry,
                failure=commit.failure,
                waits=work.past_waits(was),
            )
        )
        if step is Step.DECIDE and (decided := work.run.record.decided):
            self.metrics.count("laurel_verdicts_total", decision=decided.verdict.decision.value)
        await self.points.at(Point(f"{step}.after_commit"))
        log.info("state", was=was.state.value, now=work.run.state.value)

    async def _give_up(self, work: Work, step: Step, failure: Failure) -> bool:
        if work.run.state is State.PROMOTED:
            return await self._put_off(work, failure, waiting_on=failure.reason)
        self._count_failure(step, failure)
        opened = await work.opened_already()
        await work.close()
        log.error("run_failed", reason=failure.reason, message=failure.message)
        await self._close_record(work, opened, failure)
        await self._commit(work, step, commit_of_failure(work.run, failure, self.announcer))
        return True

    async def _close_record(self, work: Work, opened: OpenedRun | None, failure: Failure) -> None:
        """Set the MLflow status; if MLflow is away, the reconciler sets it later."""
        work.record_closed = False
        if opened is None:
            return
        work.run = work.run.model_copy(update={"mlflow_run_id": opened.mlflow_run_id})
        try:
            await record_end.close_as_failed(work.run, opened.mlflow_run_id, failure, self.closer.tracker)
            work.record_closed = True
        except (TryLater, NeverRetry) as error:
            log.warning("status_left_for_later", reason=error.reason)

    async def _try_again(self, work: Work, step: Step, error: TryLater) -> bool:
        if isinstance(error, SlotGivenBack):
            return await self._give_slot_back(work, error)
        spent = error.waiting_on is None and work.run.attempts >= self.retry.max_attempts
        if spent and work.run.state is not State.PROMOTED:
            return await self._give_up(work, step, failure_of(error))
        return await self._put_off(work, failure_of(error), waiting_on=error.waiting_on)

    async def _put_off(self, work: Work, failure: Failure, waiting_on: str | None) -> bool:
        self._count_failure(work.run.next_step, failure)
        pause = self.retry.pause_after(work.run.attempts)
        log.warning("put_off", reason=failure.reason, message=failure.message, seconds=pause)
        await work.close()
        await self._insist(lambda: self.store.postpone(work.run, pause, failure, waiting_on=waiting_on))
        return False

    async def _give_slot_back(self, work: Work, error: SlotGivenBack) -> bool:
        pause, service = self.retry.longest_pause, str(error.waiting_on)
        await work.put_off(pause)
        await self._insist(
            lambda: self.store.postpone(work.run, pause, failure_of(error), waiting_on=service)
        )
        log.info("slot_given_back", waiting_on=service, reason=error.reason, seconds=pause)
        self.metrics.count("laurel_slots_given_back_total", service=service)
        return False

    def _count_failure(self, step: Step, failure: Failure) -> None:
        self.metrics.count("laurel_step_failures_total", step=step.value, reason=failure.reason)

    async def _give_back(self, run: Run) -> None:
        try:
            await self.store.release(run)
        except TryLater:
            log.warning("lease_left_to_run_out", message="the run store does not answer")

    async def _insist(self, write: Callable[[], Awaitable[T]]) -> T:
        """Write to the run store until it answers; the lease decides how long that may take."""
        while True:
            try:
                return await write()
            except TryLater as error:
                log.warning("run_store_away", reason=error.reason, message=error.message)
                await self.clock.sleep(_STORE_PAUSE_SECONDS)
