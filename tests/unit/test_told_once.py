"""What is tried again and again says once why it fails."""

from structlog.testing import capture_logs

from domain.errors import TryLater
from service.runtime.told_once import ToldOnce


def test_a_failure_is_logged_again_for_another_reason_and_after_a_success() -> None:
    failures = ToldOnce("not_counted")
    with capture_logs() as logs:
        for reason in ("gone", "gone", "slow", "slow", None, "slow"):
            with failures.told():
                if reason:
                    raise TryLater(reason, f"it is {reason}")
    assert [(entry["event"], entry["reason"], entry["message"]) for entry in logs] == [
        ("not_counted", "gone", "it is gone"),
        ("not_counted", "slow", "it is slow"),
        ("not_counted", "slow", "it is slow"),
    ]


def test_nothing_after_the_failure_is_done() -> None:
    done: list[str] = []
    with capture_logs(), ToldOnce("not_counted").told():
        if not done:
            raise TryLater("gone", "it is gone")
        done.append("more")
    assert not done
