"""Which task of the DAG is where: a run's state and history, as the tasks of an orchestrator and in words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from domain.asked_request import AskedRequest
from domain.judged import Judged
from domain.lifecycle import State
from domain.run import Run, TransitionRecord
from domain.run_record import RunRecord
from domain.wording import bounded
from service.gateway.dag.shapes import TaskState

LONGEST: Final = 1000


def run_note(asked: AskedRequest) -> str | None:
    """Why it was rejected, failed, declined or promoted, or what it waits for; else why it was asked for."""
    reason = asked.payload.get("reason")
    return (asked.run and outcome_note(asked.run)) or (
        bounded(reason, LONGEST) if isinstance(reason, str) and reason else None
    )


def outcome_note(run: Run) -> str | None:
    """What became of it, or what it waits for; None while all goes on."""
    if run.state in {State.REJECTED, State.FAILED}:
        return failure_note(run)
    if run.state in {State.PROMOTED, State.COMPLETED, State.DECLINED}:
        return verdict_note(run)
    return retry_note(run) if run.waiting_on or (run.owner is None and run.failure) else None


def failure_note(run: Run) -> str | None:
    """The reason with each fault and what is allowed."""
    if run.failure is None:
        return None
    said = "; ".join(_faults(run.failure.facts)) or run.failure.message
    return bounded(f"{run.state.value.lower()}: {run.failure.reason}: {said}", LONGEST)


def retry_note(run: Run) -> str | None:
    """What it waits for, and why."""
    waits = f"waits for {run.waiting_on}" if run.waiting_on else "will be tried again"
    return bounded(f"{waits}: {run.failure.message}" if run.failure else waits, LONGEST)


def verdict_note(run: Run) -> str | None:
    """The decision with its reasons."""
    record = run.record
    decided = record.decided
    if decided is None:
        return None
    promoted = f"promoted: version {decided.version}, generation {decided.generation}"
    what = promoted if decided.generation else f"declined ({decided.verdict.decision})"
    return bounded("; ".join([what, *decided.verdict.reasons, *_figures(record), *_pruned(record)]), LONGEST)


def _figures(record: RunRecord) -> Iterator[str]:
    judged = Judged.of_run(record)
    if judged is not None and judged.candidate is not None:
        yield f"judged by {judged}"


def _pruned(record: RunRecord) -> Iterator[str]:
    if record.pruned is not None:
        yield str(record.pruned)


def _faults(facts: Mapping[str, Any]) -> Iterator[str]:
    for fault in facts.get("faults", ()):
        place = f"{fault['file']}: " if fault.get("file") else ""
        allowed = f" (allowed: {fault['allowed']})" if fault.get("allowed") else ""
        yield f"{place}{fault['message']}{allowed}"


# Each task, and the state in which a run needs it.
_PATH: Final[Mapping[State, str]] = {
    State.REQUESTED: "resolve_runtime_config",
    State.RESOLVED: "split_task",
    State.SPLIT: "version_splits",
    State.VERSIONED: "train_task",
    State.TRAINED: "evaluate_task",
    State.EVALUATED: "promote_task",
    State.PROMOTED: "persist_promoted_defaults_task",
}
_OPEN: Final = "start_experiment_run"
_AFTERWARDS: Final = ("reload_inference_on_promotion_task", "notify_success_task")
TASK_IDS: Final = (_PATH[State.REQUESTED], _OPEN, *list(_PATH.values())[1:], *_AFTERWARDS)
_RELOAD_NOTE: Final = (
    "requested: the reload listener reloads each server; `laurel status` shows what they serve"
)
_UNOPENED_NOTE: Final = "MLflow has no run of this training"
# What becomes of the tasks behind the last one that was begun.
_LATER: Final[Mapping[State, TaskState]] = {
    State.DECLINED: "skipped",
    State.REJECTED: "upstream_failed",
    State.FAILED: "upstream_failed",
}


@dataclass(frozen=True)
class Task:
    """One task of a run; `state` None: it was not begun, and may be."""

    task_id: str
    state: TaskState | None = None
    began_at: datetime | None = None
    ended_at: datetime | None = None
    tries: int = 0
    note: str | None = None
    worker: str = ""

    @property
    def seconds(self) -> float | None:
        """How long it took, once it is over."""
        if self.began_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.began_at).total_seconds()


def tasks_of(run: Run | None, history: Sequence[TransitionRecord]) -> tuple[Task, ...]:
    """Every task in order. `history` may be ahead of `run`; no run: nobody has read the request yet."""
    if run is None:
        return tuple(map(Task, TASK_IDS))
    entered = {State.REQUESTED: run.requested_at} | {passed.to_state: passed.at for passed in history}
    first, *steps = _steps(run, history, entered)
    return (first, _opening(run, entered), *steps, *_afterwards(run, entered))


def _steps(
    run: Run, history: Sequence[TransitionRecord], entered: Mapping[State, datetime]
) -> Iterator[Task]:
    states = list(_PATH)
    here = states.index(_last_needed(run, history))
    for place, state in enumerate(states):
        if place < here:
            note = verdict_note(run) if state is State.EVALUATED else None
            yield _done(_PATH[state], entered[state], entered[states[place + 1]], note)
        elif place == here:
            yield _last(run, _PATH[state], entered[state], entered)
        else:
            yield _later(run, _PATH[state], entered)


def _last_needed(run: Run, history: Sequence[TransitionRecord]) -> State:
    """The state whose task is the last one that was begun."""
    if not run.ended:
        return run.state
    return next(passed.from_state for passed in history if passed.to_state is run.state)


def _last(run: Run, task_id: str, began: datetime, entered: Mapping[State, datetime]) -> Task:
    """The task that the run is at, or that it ended with."""
    if not run.ended:
        return _in_hand(run, task_id, began)
    ended = entered[run.state]
    if run.state is State.COMPLETED:
        return _done(task_id, began, ended)
    if run.state is State.DECLINED:
        return Task(task_id, "skipped", ended, ended, note=verdict_note(run))
    return Task(task_id, "failed", began, ended, tries=_tries_spent(run), note=failure_note(run))


def _in_hand(run: Run, task_id: str, began: datetime) -> Task:
    if run.waiting_on or (run.owner is None and run.failure):
        note = retry_note(run)
        return Task(task_id, "up_for_retry", began, tries=max(run.attempts, 1), note=note)
    if run.owner is None or run.state is State.REQUESTED:
        return Task(task_id, "queued", tries=run.attempts)
    return Task(task_id, "running", began, tries=max(run.attempts, 1), worker=run.owner)


def _done(task_id: str, began: datetime, ended: datetime, note: str | None = None) -> Task:
    return Task(task_id, "success", began, ended, tries=1, note=note)


def _later(run: Run, task_id: str, entered: Mapping[State, datetime]) -> Task:
    if run.state not in _LATER:
        return Task(task_id)
    at = entered[run.state]
    return Task(task_id, _LATER[run.state], at, at)


def _opening(run: Run, entered: Mapping[State, datetime]) -> Task:
    """Opening the MLflow run goes on beside the splitting, and has no state of its own."""
    if State.RESOLVED not in entered or run.state is State.REQUESTED:
        return _later(run, _OPEN, entered)
    began = entered[State.RESOLVED]
    if run.mlflow_run_id is not None:
        return _done(_OPEN, began, began)
    if run.ended:
        return Task(_OPEN, "failed", began, entered[run.state], tries=1, note=_UNOPENED_NOTE)
    return _in_hand(run, _OPEN, began)


def _afterwards(run: Run, entered: Mapping[State, datetime]) -> Iterator[Task]:
    """What others do when they hear of the promotion; its announcement is committed with the end."""
    for task_id in _AFTERWARDS:
        if run.state is not State.COMPLETED:
            yield _later(run, task_id, entered)
            continue
        at = entered[State.COMPLETED]
        yield _done(task_id, at, at, _RELOAD_NOTE if task_id == _AFTERWARDS[0] else None)


def _tries_spent(run: Run) -> int:
    spent = run.failure.facts.get("attempts") if run.failure else None
    return spent if isinstance(spent, int) else 1
