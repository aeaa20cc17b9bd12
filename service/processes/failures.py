"""What the worker raises when a child did not bring a task to its end."""

import signal

from domain.errors import LaurelError, LeaseLost, NeverRetry, TryLater
from domain.wording import byte_count
from service.processes.child_table import OUT_OF_MEMORY, Death, Watch

STEP_DIED = "step_died"
STEP_TIMEOUT = "step_timeout"
STEP_CANCELLED = "step_cancelled"
STEP_FAILED = "step_failed"
LEASE_EXPIRED = "lease_expired"
CHILD_NOT_READY = "child_not_ready"
PRELOAD_FAILED = "preload_failed"

# What is known of a child when the fork parent cannot tell: it has died itself, or hangs.
UNTOLD_DEATH = Death(-signal.SIGKILL, None)


def death(task: str, end: Death, watch: Watch) -> LaurelError:
    """Say what the death of the child that ran *task* means; a limit counts if it was this task's own."""
    serial, reason = end.cause or (watch.serial, STEP_DIED)
    if serial != watch.serial:
        reason = STEP_DIED
    facts = {"task": task, **_how(end.exit_code)}
    match reason:
        case "out_of_memory":
            return out_of_memory(task, watch.memory_bytes, **_how(end.exit_code))
        case "step_timeout":
            return TryLater(reason, f"{task} exceeded its time limit and was killed", **facts)
        case "lease_expired":
            return LeaseLost(reason, f"the lease expired while {task} was running, so it was killed", **facts)
        case "step_cancelled":
            return TryLater(reason, f"{task} was cancelled and its process killed", **facts)
        case _:
            return TryLater(
                STEP_DIED, f"the process that ran {task} died ({_described(end.exit_code)})", **facts
            )


def out_of_memory(task: str, limit_bytes: int | None, **facts: object) -> LaurelError:
    """Say that *task* wanted more memory than there is, or than it was given."""
    given = "than the machine has" if limit_bytes is None else f"than its {byte_count(limit_bytes)}"
    return TryLater(
        OUT_OF_MEMORY, f"{task} needed more memory {given}", task=task, limit_bytes=limit_bytes, **facts
    )


def given_back(task: str) -> LaurelError:
    """Say that *task* was still waiting for its turn when its lifecycle gave the children back."""
    return TryLater(STEP_CANCELLED, f"{task} was cancelled before its turn came", task=task)


def failed(task: str, kind: str, text: str) -> LaurelError:
    """Say that *task* raised something that nobody had sorted; its traceback stands in the child's log."""
    return NeverRetry(STEP_FAILED, f"{task} raised {kind}: {text}", task=task, error=kind)


def _how(exit_code: int) -> dict[str, object]:
    if exit_code < 0:
        return {"signal": _described(exit_code)}
    return {"exit_code": exit_code}


def _described(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        return signal.Signals(-exit_code).name
    except ValueError:  # a real-time signal has no name of its own
        return f"signal {-exit_code}"
