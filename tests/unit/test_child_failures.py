"""What a worker makes of a child's death."""

import pytest

from domain.errors import LaurelError, LeaseLost, NeverRetry, TryLater
from service.processes import failures
from service.processes.child_table import Death, Watch

_WATCH = Watch(3, {}, memory_bytes=1000)


def death(exit_code: int, cause: tuple[int, str] | None) -> LaurelError:
    return failures.death("steps:fit", Death(exit_code, cause), _WATCH)


@pytest.mark.parametrize(
    ("exit_code", "facts"),
    [
        (-9, {"signal": "SIGKILL"}),
        (-11, {"signal": "SIGSEGV"}),
        (-40, {"signal": "signal 40"}),
        (3, {"exit_code": 3}),
    ],
)
def test_a_death_of_its_own_is_tried_again_and_tells_how(exit_code: int, facts: dict[str, object]) -> None:
    error = death(exit_code, None)
    assert isinstance(error, TryLater)
    assert (error.reason, error.waiting_on) == ("step_died", None)
    assert error.facts == {"task": "steps:fit", **facts}


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("step_timeout", TryLater),
        ("out_of_memory", TryLater),
        ("step_cancelled", TryLater),
        ("lease_expired", LeaseLost),
    ],
)
def test_a_death_at_a_limit_is_told_by_the_limit(reason: str, kind: type[LaurelError]) -> None:
    error = death(-9, (3, reason))
    assert type(error) is kind
    assert error.reason == reason
    assert error.facts["signal"] == "SIGKILL"


def test_a_limit_of_an_earlier_task_is_not_this_ones_reason() -> None:
    assert death(-9, (2, "out_of_memory")).reason == "step_died"


def test_what_nobody_sorted_is_never_tried_again() -> None:
    error = failures.failed("steps:fit", "KeyError", "'price'")
    assert isinstance(error, NeverRetry)
    assert (error.reason, error.facts["error"]) == ("step_failed", "KeyError")
