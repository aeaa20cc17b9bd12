"""How runs and events are shown, in a line, a row or as JSON."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from domain.fates import RowFates
from domain.lifecycle import ENDS, Step
from domain.promotion_checks import SAW_REFERENCE
from domain.run import Run
from domain.run_warnings import warnings_in
from service.adapters.kafka.requests import ReadEvent
from service.cli.console import Column, local_time

EVENT_COLOURS: Final[Mapping[str, str]] = {
    "model.promoted": "green",
    "model.declined": "yellow",
    "training.rejected": "red",
    "training.failed": "red",
    "inference.reloaded": "green",
    "inference.diverged": "red",
}
RUN_COLUMNS: Final = (
    Column("run"),
    Column("state"),
    Column("s/f/m", spare=1),  # split, features, model
    Column("rmsle", "figure"),
    Column("champion", "figure"),
    Column("verdict"),
    Column("gen", "figure"),
    Column("seconds", "figure"),
    Column("requested", spare=2),
    Column("waits for", spare=4),
    Column("by", spare=5),
    Column("mlflow run", spare=3),
)


def run_row(run: Run, now: datetime | None = None) -> tuple[Any, ...]:
    """One run in a table; versions are split/features/model."""
    facts = run_facts(run, now)
    return (
        run.run_id[:8],
        run.state.value,
        facts["versions"] or "",
        _number(facts["reference_rmsle"]),
        _number(facts["champion_rmsle"]),
        facts["decision"] or facts["reason"] or "",
        facts["generation"],
        f"{facts['seconds']:.1f}",
        local_time(run.requested_at, "%d.%m. %H:%M:%S"),
        run.waiting_on,
        facts["requested_by"],
        (run.mlflow_run_id or "")[:8],
    )


def run_facts(run: Run, now: datetime | None = None) -> dict[str, Any]:
    """What people ask about a run, flat; `now` is by the clock that its row has its times from."""
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
        "champion_trained_rows": outputs.get("compared", {}).get("champion_trained_rows"),
        "warnings": [warning.model_dump(mode="json") for warning in warnings_in(outputs)],
        "fates": outputs.get(Step.SPLIT, {}).get("statistics", {}).get("fates"),
        "version": decided.get("version"),
        "generation": decided.get("generation"),
        "reason": run.failure.reason if run.failure else None,
        "message": run.failure.message if run.failure else None,
        "faults": run.failure.facts.get("faults") if run.failure else None,
        "waiting_on": run.waiting_on,
        "waiting_since": run.waiting_since,
        "attempts": run.attempts,
        "requested_at": run.requested_at.isoformat(),
        "requested_by": run.payload.get("requested_by"),
        "seconds": _seconds(run, now or datetime.now(tz=UTC)),
        "correlation_id": run.correlation_id,
        "identity": run.identity,
    }


def told_fates(fates: Mapping[str, Any] | None) -> str | None:
    """What became of the master's rows, in a line; None of a run that does not say."""
    if fates is None:
        return None
    told = RowFates.model_validate(fates).by_name
    said = ", ".join(f"{name} {rows}" for name, rows in told.items())
    return f"{said}; {sum(told.values())} in the master"


def told_champion(run: Run) -> str | None:
    """How many reference rows trained the champion that was decided against."""
    checks = run.outputs.get(Step.DECIDE, {}).get("verdict", {}).get("checks", ())
    return next((check["detail"] for check in checks if check["name"] == SAW_REFERENCE), None)


def verdict_line(run: Run) -> str:
    """How a run ended, and why, in a line."""
    facts = run_facts(run)
    if facts["decision"]:
        promoted = f"promoted: version {facts['version']}, generation {facts['generation']}"
        what = promoted if facts["generation"] else f"declined ({facts['decision']})"
        return f"{what}; {facts['reasons'][0]}"
    if facts["faults"]:
        return "; ".join(_fault(fault) for fault in facts["faults"])
    return f"{facts['reason']}: {facts['message']}" if facts["reason"] else run.state.value


def _fault(fault: Mapping[str, Any]) -> str:
    return f"{fault['message']}; allowed: {fault['allowed']}" if fault.get("allowed") else fault["message"]


def event_line(event: ReadEvent) -> str:
    """Put one event into a line: when, what, and the facts that people look for."""
    data = event.data or {}
    run = str(data.get("run_id") or "-")[:8]
    gist = event.problem.detail if event.problem else _gist(event.coordinates.topic, data)
    return f"{_clock(event.coordinates.timestamp_ms)}  {event.coordinates.topic:<17}  {run}  {gist}"


def _clock(timestamp_ms: int) -> str:
    """The time on the wall; a producer may have written a moment that no calendar has."""
    try:
        at = datetime.fromtimestamp(timestamp_ms / 1000, tz=UTC)
        return local_time(at, "%H:%M:%S.%f")[:-3]
    except (ValueError, OverflowError, OSError):
        return "--:--:--.---"


def _gist(topic: str, data: Mapping[str, Any]) -> str:
    """The gist of an event; one that carries anything else than it should is still shown."""
    try:
        return _of_a_replica(topic, data) if topic.startswith("inference.") else _told(topic, data)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        return "(not as its schema says; --json shows it whole)"


def _told(topic: str, data: Mapping[str, Any]) -> str:
    match topic:
        case "split.completed":
            rows = f"{data['train']['rows']} train, {data['reference']['rows']} reference rows"
            warned = "; ".join(warning["message"] for warning in data.get("warnings", ()))
            return f"{rows}; reference {data['reference']['sha256'][:12]}{warned and f'; {warned}'}"
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
            return f"{data['reason']}: {data['message']}"


def _of_a_replica(topic: str, data: Mapping[str, Any]) -> str:
    replica, generation = data["replica"], data["generation"]
    if topic == "inference.diverged":
        return f"{replica} does not serve generation {generation}: {data['reason']}: {data['detail']}"
    seconds = data["seconds_since_promotion"]
    after = "" if seconds is None else f", after {seconds:.2f} s"
    return f"{replica} serves generation {generation}: version {data['version']}{after}"


def _rmsle(score: Mapping[str, Any] | None) -> float | None:
    return None if not score else score.get("metrics", {}).get("rmsle")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5f}"


def _seconds(run: Run, now: datetime) -> float:
    until = run.updated_at if run.state in ENDS else now
    return (until - run.requested_at).total_seconds()
