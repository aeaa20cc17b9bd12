"""Waiting for a service that is away: visibly, with growing pauses, within a budget."""

import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from domain.errors import NeverRetry, TryLater
from domain.ports.clock import Clock
from domain.run import Failure

T = TypeVar("T")
Notice = Callable[[TryLater | None], Awaitable[None]]

_MOST_DOUBLINGS = 60  # beyond, a float overflows


@dataclass(frozen=True)
class RetryPolicy:
    """How long to pause between tries, how long to wait in all, and how long in a slot, in seconds."""

    first_pause: float = 2.0
    longest_pause: float = 60.0
    budget: float = 21_600.0
    max_attempts: int = 3
    in_slot: float = 60.0

    def pauses(self) -> Iterator[float]:
        """Doubling pauses with a quarter of jitter, so that many waiters do not come back as one."""
        pause = self.first_pause
        while True:
            yield pause * random.uniform(0.75, 1.25)  # noqa: S311 - spreads load, guards nothing
            pause = min(pause * 2, self.longest_pause)

    def pause_after(self, attempts: int) -> float:
        """The pause after the given number of spent attempts, however many: an outage may last for days."""
        doublings = min(max(attempts - 1, 0), _MOST_DOUBLINGS)
        return float(min(self.first_pause * 2**doublings, self.longest_pause))


async def call_with_retry(
    doing: Callable[[], Awaitable[T]],
    policy: RetryPolicy,
    clock: Clock,
    notice: Notice,
    *,
    waited_before: float = 0.0,
) -> T:
    """Do it; while the service that it needs is away, tell `notice` and try again.

    `waited_before` counts as waited; `notice` may raise to end the waiting. Raises NeverRetry with the
    service's own reason when the budget is over, and at once for what waiting cannot fix.
    """
    started, waited = clock.monotonic() - waited_before, False
    for pause in policy.pauses():
        try:
            result = await doing()
        except TryLater as error:
            if error.waiting_on is None:
                raise
            if clock.monotonic() - started > policy.budget:
                raise gave_up_waiting(error, policy.budget) from error
            await notice(error)
            waited = True
            await clock.sleep(pause)
        else:
            if waited or waited_before:
                await notice(None)
            return result
    raise AssertionError("pauses never end")


def gave_up_waiting(error: TryLater, budget: float) -> NeverRetry:
    """Turn a wait that took too long into a failure with the service's own reason."""
    message = f"waited {budget:.0f} s for {error.waiting_on}, and gave up: {error.message}"
    return NeverRetry(error.reason, message, **error.facts)


def failure_of(error: NeverRetry | TryLater) -> Failure:
    """Write an error down for the run's row and its events."""
    return Failure(reason=error.reason, message=error.message, facts=dict(error.facts))
