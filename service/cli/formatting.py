"""How runs and events are shown, in a line, a row or as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from config.needs import MLFLOW
from config.sparing import is_set
from domain.datasets import RowFates
from domain.faults import Fault
from domain.judged import Judged, figure
from domain.lifecycle import ENDS
from domain.metrics import Score
from domain.promotion_checks import SAW_REFERENCE, Champion
from domain.run import Run
from domain.run_form import RunForm
from domain.wording import iso_time
from service.cli.console import Column, clock_time
from service.lifecycle.mlflow_pages import pages_of

if TYPE_CHECKING:
    from config.settings import Settings
    from service.adapters.kafka.requests import ReadEvent

EVENT_COLOURS: Final[Mapping[str, str]] = {
    "model.promoted": "green",
    "model.declined": "yellow",
    "training.rejected": "red",
    "training.failed": "red",
    "inference.reloaded": "green",
    "inference.diverged": "red",
    "champion.missing": "red",
}
RUN_COLUMNS: Final = (
    Column("run"),
    Column("state"),
    Column("s/f/m"),  # split, features, model
    Column("candidate", "figure"),
    Column("champion", "figure", spare=2),
    Column("verdict", spare=1),
    Column("gen", "figure", spare=3),
    Column("seconds", "figure", spare=4),
    Column("requested"),
    Column("waits for", spare=5),
    Column("by", spare=7),
    Column("mlflow run", spare=6),
)


class RunFacts(RunForm):
    """One run as the command line prints it: the common form, and names of its own."""

    versions: str | None  # split/features/model
    reference_rmsle: float | None
    champion_rmsle: float | None
    champion_trained_rows: int | None
    fates: Mapping[str, object] | None
    waiting_since: str | None
    attempts: int
    requested_at: str
    requested_by: object
    retry_of: object
    seconds: float
    correlation_id: str
    identity: str


def known_pages(run: Run, settings: Settings) -> dict[str, str]:
    """What MLflow shows of a run, by name; nothing where the command does without MLflow's address."""
    return dict(pages_of(run, settings.mlflow_tracking_uri)) if is_set(settings, MLFLOW) else {}


def run_row(run: Run, now: datetime | None = None) -> tuple[object, ...]:
    """One run in a table; versions are split/features/model."""
    facts = run_facts(run, now)
    champion = facts.champion_metric
    return (
        run.run_id[:8],
        run.state.value,
        facts.versions or "",
        f"{facts.metric} {figure(facts.candidate_metric)}" if facts.metric else "",
        "" if champion is None else figure(champion),
        facts.decision or facts.reason or "",
        facts.generation,
        f"{facts.seconds:.1f}",
        iso_time(run.requested_at),
        run.waiting_on,
        facts.requested_by,
        (run.mlflow_run_id or "")[:8],
    )


def run_facts(run: Run, now: datetime | None = None) -> RunFacts:
    """What people ask about a run, flat; `now` is by the clock that its row has its times from."""
    record = run.record
    triple, champion = record.triple, record.champion
    return RunFacts.of(
        run.model_name,
        run,
        versions="/".join(map(str, triple.model_dump().values())) if triple else None,
        reference_rmsle=_rmsle(record.candidate),
        champion_rmsle=_rmsle(champion.score) if isinstance(champion, Champion) else None,
        champion_trained_rows=record.compared.champion_trained_rows if record.compared else None,
        fates=record.split.statistics.get("fates") if record.split else None,
        waiting_since=str(run.waiting_since) if run.waiting_since else None,
        attempts=run.attempts,
        requested_at=run.requested_at.isoformat(),
        requested_by=run.payload.get("requested_by"),
        retry_of=run.payload.get("retry_of"),
        seconds=_seconds(run, now or datetime.now(tz=UTC)),
        correlation_id=run.correlation_id,
        identity=run.identity,
    )


def told_fates(fates: Mapping[str, object] | None) -> str | None:
    """What became of the master's rows, in a line; None of a run that does not say."""
    if fates is None:
        return None
    told = RowFates.model_validate(fates).by_name
    said = ", ".join(f"{name} {rows}" for name, rows in told.items())
    return f"{said}; {sum(told.values())} in the master"


def told_champion(run: Run) -> str | None:
    """How many reference rows trained the champion that was decided against."""
    decided = run.record.decided
    checks = decided.verdict.checks if decided else ()
    return next((check.detail for check in checks if check.name == SAW_REFERENCE), None)


def verdict_line(run: Run) -> str:
    """How a run ended, and why, in a line."""
    facts = run_facts(run)
    if facts.decision:
        promoted = f"promoted: version {facts.version}, generation {facts.generation}"
        what = promoted if facts.generation else f"declined ({facts.decision})"
        return "; ".join([what, *(facts.reasons or ())[:1]])
    if facts.faults:
        return "; ".join(fault_line(fault) for fault in facts.faults)
    return f"{facts.reason}: {facts.message}" if facts.reason else run.state.value


def fault_line(fault: Fault) -> str:
    """Put a fault into a line, with what is allowed."""
    allowed = f"; allowed: {fault.allowed}" if fault.allowed else ""
    return f"{fault.message}{allowed}"


def event_facts(event: ReadEvent) -> dict[str, object]:
    """One event as JSON."""
    return {"topic": event.coordinates.topic, "attributes": dict(event.attributes), "data": event.data}


def event_line(event: ReadEvent) -> str:
    """Put one event into a line: when, what, and the facts that people look for."""
    data = event.data or {}
    run = str(data.get("run_id") or "-")[:8]
    gist = event.problem.detail if event.problem else _gist(event.coordinates.topic, data)
    return f"{_clock(event.coordinates.timestamp_ms)}  {event.coordinates.topic:<17}  {run}  {gist}"


def _clock(timestamp_ms: int) -> str:
    """The moment; a producer may have written a moment that no calendar has."""
    try:
        at = datetime.fromtimestamp(timestamp_ms / 1000, tz=UTC)
        return clock_time(at)
    except (ValueError, OverflowError, OSError):
        return "----------------------"


def _gist(topic: str, data: Mapping[str, object]) -> str:
    """The gist of an event; one that carries anything else than it should is still shown."""
    try:
        if topic == "champion.missing":
            return f"generation {data['generation']}: {data['message']}"
        return _of_a_replica(topic, data) if topic.startswith("inference.") else _told(topic, data)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        return "(does not match its schema; --json shows it in full)"


def _told(topic: str, data: Mapping[str, Any]) -> str:
    match topic:
        case "split.completed":
            rows = f"{data['train']['rows']} train, {data['reference']['rows']} reference rows"
            warned = "; ".join(warning["message"] for warning in data.get("warnings", ()))
            return f"{rows}; reference {data['reference']['sha256'][:12]}{warned and f'; {warned}'}"
        case "model.evaluated":
            return str(_judged(data))
        case "model.promoted":
            what = f"generation {data['generation']}: version {data['version']} ({data['cause']})"
            return f"{what}; {data['reasons'][0]}{_judged_by(data)}"
        case "model.declined":
            return f"{data['decision']}: {data['reasons'][0]}{_judged_by(data)}"
        case "training.rejected":
            return "; ".join(fault["message"] for fault in data["faults"])
        case _:
            return _said_by_a_person(topic, data)


def _said_by_a_person(topic: str, data: Mapping[str, Any]) -> str:
    """Of holds and quarantines; and of what has failed, which says itself what it is."""
    match topic:
        case "promotion.held":
            return f"until {data['until'] or 'released'}, by {data['actor']}: {data['reason']}"
        case "promotion.released":
            return f"by {data['actor'] or 'its time'}: {data['reason'] or data['held_because']}"
        case "model.quarantined" | "model.quarantine_lifted":
            what = f"generation {data['generation']}: version {data['version']}"
            return f"{what}, by {data['actor']}: {data['reason']}"
        case _:
            return f"{data['reason']}: {data['message']}"


def _judged_by(data: Mapping[str, object]) -> str:
    """The figures, where the reason does not name them: a first champion, or one that cannot be judged."""
    if not data.get("candidate") or data.get("champion"):
        return ""
    return f"; {_judged(data)}"


def _judged(data: Mapping[str, object]) -> Judged:
    """Raises LookupError, ValueError for an event that does not carry what its schema says."""
    judged = Judged.of_event(data)
    if judged is None:
        raise LookupError(data)
    return judged


def _of_a_replica(topic: str, data: Mapping[str, object]) -> str:
    replica, generation = data["replica"], data["generation"]
    if topic == "inference.diverged":
        return f"{replica} does not serve generation {generation}: {data['reason']}: {data['detail']}"
    seconds = data["seconds_since_promotion"]
    after = "" if seconds is None else f", after {seconds:.2f} s"
    return f"{replica} serves generation {generation}: version {data['version']}{after}"


def _rmsle(score: Score | None) -> float | None:
    return score.number("rmsle") if score else None


def _seconds(run: Run, now: datetime) -> float:
    until = run.updated_at if run.state in ENDS else now
    return (until - run.requested_at).total_seconds()
