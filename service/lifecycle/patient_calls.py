"""How one run waits: every call is retried, and the run's page and the log say what it waits for.

A run that can do nothing but wait gives its slot back after a while, and is taken again when it is due. The
log has neither a line for each try, nor silence for hours.
"""

import math
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, NamedTuple, ParamSpec, TypeVar

import structlog

from domain.errors import TryLater
from domain.lifecycle import Step
from domain.points import Point, Points
from domain.ports.clock import Clock
from domain.ports.run_store import RunStore
from domain.run import Failure, Run
from domain.run_record import PastWait, PastWaits
from domain.values import Value
from service.runtime.metrics import Metrics, Waits
from service.runtime.retry import Notice, RetryPolicy, call_with_retry

_REMIND_SECONDS: Final = 300.0
_CALL: Final = "call"  # which call waits, among the facts of a wait
_TRIES: Final = "tries"  # and how many found the service away
_INTERRUPTED: Final = "interrupted"  # the reason of a step whose worker died, or lost the run
_LONGEST_NAME: Final = 100

log = structlog.get_logger()


@dataclass
class _Wait:
    began: float
    call: str
    reason: str = ""
    told: float = 0.0
    tries: int = 0


class ToldWaits:
    """Tells of each service: at the first wait, for another reason, every five minutes, and at the end.

    A run that was given back while it waited goes on from what its last claim, by any worker, had logged.
    `past` are the waits that are over.
    """

    def __init__(self, clock: Clock, run: Run | None = None) -> None:
        self.past: list[PastWait] = []
        self._clock = clock
        self._waits: dict[str, _Wait] = {}
        if run is not None and run.waiting_on is not None and run.waiting_since is not None:
            self._waits[run.waiting_on] = _told_before(run, run.waiting_since, clock)

    def waits(self, error: TryLater, call: str = "") -> bool:
        """Take note of a try that found a service away; True when the wait begins with it."""
        now, service = self._clock.monotonic(), str(error.waiting_on)
        begins = service not in self._waits
        wait = self._waits.setdefault(service, _Wait(now, call))
        wait.tries += 1
        if wait.reason != error.reason or now - wait.told >= _REMIND_SECONDS:
            wait.reason, wait.told = error.reason, now
            seconds = round(now - wait.began, 1)
            log.warning(
                "waiting", waiting_on=service, reason=error.reason, message=error.message, seconds=seconds
            )
        return begins

    def tries(self, service: str) -> int:
        """How many tries in a row have found a service away."""
        return self._waits[service].tries

    def over(self, services: Iterable[str]) -> None:
        """Take note that these services are waited for no more."""
        for service in services:
            if wait := self._waits.pop(service, None):
                seconds = round(self._clock.monotonic() - wait.began, 1)
                log.info("wait_over", waiting_on=service, seconds=seconds)
                self.past.append(_past(wait, service, self._clock))

    def all_over(self) -> None:
        """Take note that nothing is waited for any more: the run is left."""
        self.over(tuple(self._waits))


def _told_before(run: Run, since: datetime, clock: Clock) -> _Wait:
    """What was told until the row was written last, by the rule that is followed here."""
    began = clock.monotonic() - (clock.now() - since).total_seconds()
    reminders = (run.updated_at - since).total_seconds() // _REMIND_SECONDS
    reason, facts = ("", {}) if run.failure is None else (run.failure.reason, run.failure.facts)
    told = began + max(reminders, 0.0) * _REMIND_SECONDS
    return _Wait(began, str(facts.get(_CALL, "")), reason, told, int(facts.get(_TRIES, 0)))


def _past(wait: _Wait, service: str, clock: Clock) -> PastWait:
    waited = timedelta(seconds=clock.monotonic() - wait.began)
    return PastWait(
        call=wait.call[:_LONGEST_NAME],
        waiting_on=service[:_LONGEST_NAME],
        reason=wait.reason[:_LONGEST_NAME],
        since=clock.now() - waited,
        until=clock.now(),
        attempts=wait.tries,
    )


def _failed_before(run: Run, clock: Clock) -> list[PastWait]:
    """What an earlier claim of a run began, and did not bring to its end."""
    if not run.attempts or run.waiting_on is not None:
        return []
    reason = _INTERRUPTED if run.failure is None else run.failure.reason
    tried = PastWait(
        call=run.next_step.value,
        waiting_on=None,
        reason=reason[:_LONGEST_NAME],
        since=run.updated_at,
        until=clock.now(),
        attempts=run.attempts,
    )
    return [tried]


T = TypeVar("T")
P = ParamSpec("P")


class SlotGivenBack(TryLater):
    """A run has waited in its slot for long enough: others may have it meanwhile."""


class _Carried(NamedTuple):
    """A call that waited when an earlier claim ended, and for how long it had."""

    call: str
    seconds: float


class WaitingCalls:
    """Makes calls again while a service is away, and notes the wait in the run's row and in the metrics."""

    def __init__(
        self,
        run: Run,
        retry: RetryPolicy,
        *,
        store: RunStore,
        clock: Clock,
        points: Points,
        metrics: Metrics,
        waits: Waits,
    ) -> None:
        self._run = run
        self._retry = retry
        self._store = store
        self._clock = clock
        self._points = points
        self._metrics = metrics
        self._waits = waits
        self._at_work = 0
        self._is_put_off = False
        self._carried = _carried(run, clock)
        self._told = ToldWaits(clock, run if self._carried else None)
        self._failed = _failed_before(run, clock)

    async def call_with_retry(self, doing: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Make a call within the run's budget. Raises SlotGivenBack when the run does nothing but wait."""
        return await self._insist(_name(doing), partial(doing, *args, **kwargs), self._retry)

    async def step(
        self, step: Step, doing: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Make the call that is a step's effect within the run's budget."""
        return await self._around(step, self._retry, partial(doing, *args, **kwargs))

    async def endless_step(self, step: Step, doing: Callable[[], Awaitable[T]]) -> T:
        """Make the call that is a step's effect, however long it takes."""
        return await self._around(step, replace(self._retry, budget=math.inf), doing)

    async def keep(self, name: str, value: Value) -> None:
        """Keep what was done; a store that is away may not cost a fit, the lease says for how long."""
        with self.at_work():
            await self.call_with_retry(self._store.keep, self._run, name, value.model_dump(mode="json"))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """What is done in the block is not lost to a wait beside it: the slot is kept."""
        self._at_work += 1
        try:
            yield
        finally:
            self._at_work -= 1

    def past(self, run: Run) -> PastWaits | None:
        """All that has held the run up until now; None when its row says so already."""
        past = self._run.record.waits.and_then([*self._failed, *self._told.past])
        return None if past == run.record.waits else past

    def over(self) -> None:
        """Say that the run waits for nothing any more."""
        self._told.all_over()
        if not self._is_put_off:
            self._waits.over(self._run.run_id, self._metrics)

    def put_off(self, seconds: float) -> None:
        """Say that the run waits on without its slot."""
        self._told, self._is_put_off = ToldWaits(self._clock), True
        self._waits.put_off(self._run.run_id, self._clock.monotonic() + seconds)

    async def _around(self, step: Step, retry: RetryPolicy, doing: Callable[[], Awaitable[T]]) -> T:
        await self._points.at(Point(f"{step}.before_effect"))
        result = await self._insist(step.value, doing, retry)
        await self._points.at(Point(f"{step}.after_effect"))
        return result

    async def _insist(self, call: str, doing: Callable[[], Awaitable[T]], retry: RetryPolicy) -> T:
        before = self._carried.seconds if self._carried and self._carried.call == call else 0.0

        async def tried() -> T:
            with self.at_work():
                return await doing()

        return await call_with_retry(
            tried, retry, self._clock, self._notice(call, before), waited_before=before
        )

    def _notice(self, call: str, before: float) -> Notice:
        """What is told of one call's tries; calls of a run go side by side."""
        services = {str(self._run.waiting_on)} if before else set()
        began: float | None = None

        async def notice(error: TryLater | None) -> None:
            nonlocal began
            if error is None:
                await self._ended(call, services)
                return
            services.add(str(error.waiting_on))
            if began is None:
                began = self._clock.monotonic() - before
            await self._goes_on(error, call)
            self._leave_slot(error, call, began)

        return notice

    async def _goes_on(self, error: TryLater, call: str) -> None:
        service = str(error.waiting_on)
        if self._told.waits(error, call):
            self._metrics.count("laurel_waits_total", service=service)
        self._waits.begin(self._run.run_id, service, self._metrics)
        facts = self._facts(error, call)
        await self._note(Failure(reason=error.reason, message=error.message, facts=facts), service)

    async def _ended(self, call: str, services: set[str]) -> None:
        if self._carried and self._carried.call == call:
            self._carried = None
        self._told.over(services)
        self._waits.over(self._run.run_id, self._metrics, services)
        await self._note(None, None)

    def _leave_slot(self, error: TryLater, call: str, began: float) -> None:
        """Give the slot back, unless another call of the run is at work: what it does would be lost."""
        waited = self._clock.monotonic() - began
        if not self._at_work and waited >= self._retry.in_slot:
            raise SlotGivenBack(error.reason, error.message, **self._facts(error, call)) from error

    def _facts(self, error: TryLater, call: str) -> dict[str, object]:
        return {**error.facts, _CALL: call, _TRIES: self._told.tries(str(error.waiting_on))}

    async def _note(self, failure: Failure | None, waiting_on: str | None) -> None:
        try:
            await self._store.note_waiting(self._run, failure, waiting_on=waiting_on)
        except TryLater as unseen:  # nobody sees the wait then, but what is being done goes on
            log.warning("waiting_unseen", waiting_on=waiting_on, message=unseen.message)


def _carried(run: Run, clock: Clock) -> _Carried | None:
    call = None if run.failure is None else run.failure.facts.get(_CALL)
    if call is None or run.waiting_on is None or run.waiting_since is None:
        return None
    return _Carried(str(call), max((clock.now() - run.waiting_since).total_seconds(), 0.0))


def _name(doing: Callable[..., object]) -> str:
    return getattr(doing, "__name__", type(doing).__name__).strip("_")
