"""When the fork parent kills a child, and how long it may sleep."""

import pytest

from service.processes.child_table import Watch, pause


def test_a_task_within_its_limits_goes_on() -> None:
    watch = Watch(1, {"step_timeout": 10.0}, memory_bytes=100)
    assert watch.verdict(now=9.9, held_bytes=100) is None


@pytest.mark.parametrize(
    ("now", "lease_end", "held", "reason"),
    [
        (10.0, 11.0, 0, "step_timeout"),
        (7.0, 7.0, 0, "lease_expired"),
        (12.0, 7.0, 999, "lease_expired"),
        (1.0, 7.0, 101, "out_of_memory"),
    ],
)
def test_the_first_limit_that_was_passed_is_the_reason(
    now: float, lease_end: float, held: int, reason: str
) -> None:
    watch = Watch(1, {"step_timeout": 10.0, "lease_expired": lease_end}, memory_bytes=100)
    assert watch.verdict(now, held) == reason


def test_without_limits_the_fork_parent_sleeps_until_it_is_woken() -> None:
    assert pause([], now=5.0, next_look=0.0) is None
    assert pause([Watch(1, {}, None)], now=5.0, next_look=0.0) is None


def test_it_wakes_for_the_nearest_deadline() -> None:
    watches = [
        Watch(1, {"step_timeout": 9.0}, None),
        Watch(4, {"step_timeout": 30.0, "lease_expired": 7.5}, None),
    ]
    assert pause(watches, now=5.0, next_look=6.0) == 2.5


def test_it_wakes_to_read_memory_only_where_that_is_limited() -> None:
    assert pause([Watch(1, {"step_timeout": 9.0}, 100)], now=5.0, next_look=5.5) == 0.5


def test_what_is_overdue_is_looked_at_now() -> None:
    assert pause([Watch(1, {"step_timeout": 4.0}, None)], now=5.0, next_look=0.0) == 0.0
