"""What became of a run, in words: where a person looks who sees a DAG's runs and tasks."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from domain.asked_request import AskedRequest
from domain.judged import Judged
from domain.lifecycle import State
from domain.run import Run
from domain.run_record import RunRecord
from domain.wording import bounded

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
    return bounded("; ".join([what, *decided.verdict.reasons, *_figures(record)]), LONGEST)


def _figures(record: RunRecord) -> Iterator[str]:
    judged = Judged.of_run(record)
    if judged is not None and judged.candidate is not None:
        yield f"judged by {judged}"


def _faults(facts: Mapping[str, Any]) -> Iterator[str]:
    for fault in facts.get("faults", ()):
        place = f"{fault['file']}: " if fault.get("file") else ""
        allowed = f" (allowed: {fault['allowed']})" if fault.get("allowed") else ""
        yield f"{place}{fault['message']}{allowed}"
