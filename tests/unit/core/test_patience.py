"""Waiting for a service: visibly, with growing pauses, within a budget."""

import math
from collections.abc import Awaitable, Callable

import pytest

from domain.errors import NeverRetry, TryLater
from service.runtime.retry import RetryPolicy, call_with_retry
from tests.harm.fake_time import FakeClock

POLICY = RetryPolicy(first_pause=2.0, longest_pause=16.0, budget=100.0)


def away(waiting_on: str | None = "mlflow") -> TryLater:
    return TryLater("mlflow_unavailable", "no answer", waiting_on=waiting_on, code=503)


class Service:
    """Answers behind so many failures; remembers who was told what."""

    def __init__(self, failures: float, error: Callable[[], Exception] = away) -> None:
        self.left, self.error = failures, error
        self.told: list[TryLater | None] = []

    async def ask(self) -> str:
        if self.left > 0:
            self.left -= 1
            raise self.error()
        return "answer"

    async def notice(self, error: TryLater | None) -> None:
        self.told.append(error)

    def call_with_retry(self, clock: FakeClock, policy: RetryPolicy = POLICY) -> Awaitable[str]:
        return clock.finish(call_with_retry(self.ask, policy, clock, self.notice))


async def test_a_service_that_answers_is_not_waited_for() -> None:
    clock, service = FakeClock(), Service(0)
    assert await service.call_with_retry(clock) == "answer"
    assert (clock.slept, service.told) == ([], [])


async def test_a_wait_is_told_and_its_end_once() -> None:
    clock, service = FakeClock(), Service(3)
    assert await service.call_with_retry(clock) == "answer"
    assert [error and error.waiting_on for error in service.told] == ["mlflow", "mlflow", "mlflow", None]


async def test_pauses_double_up_to_the_longest_with_a_quarter_of_jitter() -> None:
    clock, service = FakeClock(), Service(6)
    await service.call_with_retry(clock, RetryPolicy(2.0, 16.0, math.inf))
    for pause, plain in zip(clock.slept, (2, 4, 8, 16, 16, 16), strict=True):
        assert 0.75 * plain <= pause <= 1.25 * plain


async def test_behind_the_budget_it_fails_with_the_services_own_reason() -> None:
    clock, service = FakeClock(), Service(math.inf)
    with pytest.raises(NeverRetry) as caught:
        await service.call_with_retry(clock)
    assert caught.value.reason == "mlflow_unavailable"
    assert caught.value.facts["code"] == 503
    assert POLICY.budget < clock.monotonic() < POLICY.budget + 2 * POLICY.longest_pause


async def test_without_a_budget_it_never_gives_up() -> None:
    clock, service = FakeClock(), Service(1000)
    assert await service.call_with_retry(clock, RetryPolicy(2.0, 16.0, math.inf)) == "answer"


@pytest.mark.parametrize("error", [lambda: away(None), lambda: NeverRetry("no", "no"), ZeroDivisionError])
async def test_what_waiting_cannot_mend_is_raised_at_once(error: Callable[[], Exception]) -> None:
    clock, service = FakeClock(), Service(1, error)
    with pytest.raises(type(error())):
        await service.call_with_retry(clock)
    assert clock.slept == []


def test_pauses_behind_attempts_double_up_to_the_longest() -> None:
    assert [POLICY.pause_after(attempts) for attempts in range(7)] == [2, 2, 4, 8, 16, 16, 16]


def test_pauses_behind_any_number_of_attempts_stay_finite() -> None:
    assert POLICY.pause_after(100_000) == POLICY.longest_pause
