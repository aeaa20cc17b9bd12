"""How runs and events are shown, in a line, a row or as JSON."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from domain.lifecycle import ENDS, Step
from domain.run import Run
from service.adapters.kafka.requests import ReadEvent

EVENT_COLOURS: Final[Mapping[str, str]] = {
    "model.promoted": "green",
    "model.declined": "yellow",
    "training.rejected": "red",
    "training.failed": "red",
}
RUN_COLUMNS: Final = (
    "run",
    "state",
    "versions",
    "rmsle",
    "champion",
    "verdict",
    "generation",
    "seconds",
    "requested",
)


def run_row(run: Run) -> tuple[Any, ...]:
    """One run in a table; versions are split/features/model."""
    facts = run_facts(run)
    return (
        run.run_id[:8],
        run.state.value + (f" (waits for {run.waiting_on})" if run.waiting_on else ""),
        facts["versions"] or "",
        _number(facts["reference_rmsle"]),
        _number(facts["champion_rmsle"]),
        facts["decision"] or facts["reason"] or "",
        facts["generation"],
        f"{facts['seconds']:.1f}",
        run.requested_at.astimezone().strftime("%d.%m. %H:%M:%S"),
    )


def run_facts(run: Run) -> dict[str, Any]:
    """What people ask about a run, flat."""
    outputs = run.outputs
    triple = outputs.get(Step.RESOLVE, {}).get("triple")
    decided = outputs.get(Step.DECIDE, {})
    evaluated = outputs.get(Step.EVALUATE, {})
    champion = (decided or evaluated).get("champion", {})
    return {
        "run_id": run.run_id,
        "state": run.state.value,
        "mlflow_run_id": run.mlflow_run_id,
        "versions": triple
        and f"{triple['split_version']}/{triple['feature_version']}/{triple['model_version']}",
        "reference_rmsle": _rmsle(evaluated.get("candidate", {}).get("reference")),
        "champion_rmsle": _rmsle(champion.get("score")),
        "decision": decided.get("verdict", {}).get("decision"),
        "reasons": decided.get("verdict", {}).get("reasons"),
        "version": decided.get("version"),
        "generation": decided.get("generation"),
        "reason": run.failure.reason if run.failure else None,
        "message": run.failure.message if run.failure else None,
        "faults": run.failure.facts.get("faults") if run.failure else None,
        "waiting_on": run.waiting_on,
        "waiting_since": run.waiting_since,
        "attempts": run.attempts,
        "requested_at": run.requested_at.isoformat(),
        "seconds": _seconds(run),
        "correlation_id": run.correlation_id,
        "identity": run.identity,
    }


def event_line(event: ReadEvent) -> str:
    """Put one event into a line: when, what, and the facts that people look for."""
    at = (
        datetime.fromtimestamp(event.coordinates.timestamp_ms / 1000, tz=UTC)
        .astimezone()
        .strftime("%H:%M:%S.%f")
    )
    data = event.data or {}
    run = str(data.get("run_id") or "-")[:8]
    return f"{at[:-3]}  {event.coordinates.topic:<18} {run}  {_gist(event.coordinates.topic, data)}"


def _gist(topic: str, data: Mapping[str, Any]) -> str:
    match topic:
        case "split.completed":
            rows = f"{data['train']['rows']} train, {data['reference']['rows']} reference rows"
            return f"{rows}; reference {data['reference']['sha256'][:12]}"
        case "model.evaluated":
            champion = _number(_rmsle(data["champion"])) or "none"
            return f"rmsle {_number(_rmsle(data['candidate']))}, champion {champion}"
        case "model.promoted":
            what = f"generation {data['generation']}: version {data['version']} ({data['cause']})"
            return f"{what}; {data['reasons'][0]}"
        case "model.declined":
            return f"{data['decision']}: {data['reasons'][0]}"
        case "training.rejected":
            return "; ".join(fault["message"] for fault in data["faults"])
        case _:
            return f"{data.get('reason', '')}: {data.get('message', '')}"


def _rmsle(score: Mapping[str, Any] | None) -> float | None:
    return None if not score else score.get("metrics", {}).get("rmsle")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5f}"


def _seconds(run: Run) -> float:
    until = run.updated_at if run.state in ENDS else datetime.now(tz=UTC)
    return (until - run.requested_at).total_seconds()
