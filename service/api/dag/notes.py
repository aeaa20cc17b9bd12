"""What became of a run, in words: where a person looks who sees a DAG's runs and tasks."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from domain.asked_request import AskedRequest
from domain.lifecycle import State, Step
from domain.plain_text import bounded
from domain.run import Run

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
    decided: Mapping[str, Any] = run.outputs.get(Step.DECIDE, {})
    verdict = decided.get("verdict")
    if verdict is None:
        return None
    promoted = f"promoted: version {decided.get('version')}, generation {decided.get('generation')}"
    what = promoted if decided.get("generation") else f"declined ({verdict['decision']})"
    return bounded("; ".join([what, *verdict["reasons"]]), LONGEST)


def _faults(facts: Mapping[str, Any]) -> Iterator[str]:
    for fault in facts.get("faults", ()):
        place = f"{fault['file']}: " if fault.get("file") else ""
        allowed = f" (allowed: {fault['allowed']})" if fault.get("allowed") else ""
        yield f"{place}{fault['message']}{allowed}"
