"""What a message may say of an event: named texts, each bounded and harmless wherever it is shown."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from domain.events import (
    ChampionMissing,
    Event,
    InferenceDiverged,
    ModelDeclined,
    ModelPromoted,
    ModelQuarantined,
    ModelQuarantineLifted,
    PromotionHeld,
    PromotionReleased,
    QuarantineEvent,
    TrainingFailed,
    TrainingRejected,
)
from domain.faults import Fault
from domain.ledger import Cause
from domain.metrics import Score
from domain.notice_subjects import Subject
from domain.values import VersionTriple
from domain.wording import plain

_WORD: Final = 200  # characters of a name, a code, an id
_SENTENCE: Final = 300
_MESSAGE: Final = 1000
_MOST: Final = 5  # of a list
_NONE: Final = "none"


_SUBJECTS: Final[Mapping[type[Event], Subject]] = {
    ModelPromoted: "promoted",
    ModelDeclined: "declined",
    TrainingRejected: "rejected",
    TrainingFailed: "failed",
    InferenceDiverged: "diverged",
    ChampionMissing: "missing",
    PromotionHeld: "held",
    PromotionReleased: "released",
    ModelQuarantined: "quarantined",
    ModelQuarantineLifted: "quarantine_lifted",
}


def subject_of(event: Event) -> Subject | None:
    """What people call this event; None for an event without notification."""
    if isinstance(event, ModelPromoted) and event.cause is Cause.OVERRIDE:
        return "overridden"
    return _SUBJECTS.get(type(event))


def fields_of(event: Event) -> dict[str, str]:
    """The named texts of an event, those of `FIELDS` for its subject; no control sign but newlines."""
    read = _READ.get(type(event))
    return {"model": _word(event.model_name), **(read(event) if read else {})}


def _promoted(event: ModelPromoted) -> dict[str, str]:
    return {
        "version": _word(event.version),
        "generation": _word(event.generation),
        "previous": _version(event.previous_version, event.previous_generation),
        "cause": event.cause.value,
        "actor": _word(event.actor),
        "reasons": _list(event.reasons),
        "scores": _scores(event.candidate, event.champion, event.metric),
        "versions": _triple(event.versions),
        "model_uri": _word(event.model_uri),
        "run_id": _word(event.run_id),
        "mlflow_run_id": _word(event.mlflow_run_id),
        "promoted_at": _word(event.promoted_at),
        "metric": _word(event.metric),
    }


def _declined(event: ModelDeclined) -> dict[str, str]:
    return {
        "decision": event.decision.value,
        "reasons": _list(event.reasons),
        "checks": _list(f"{'passed' if c.passed else 'FAILED'} {c.name}: {c.detail}" for c in event.checks),
        "scores": _scores(event.candidate, event.champion, event.metric),
        "metric": _word(event.metric),
        "champion": _version(event.champion_version, event.champion_generation),
        "versions": _triple(event.versions),
        "run_id": _word(event.run_id),
        "mlflow_run_id": _word(event.mlflow_run_id),
    }


def _rejected(event: TrainingRejected) -> dict[str, str]:
    asked = ", ".join(f"{plain(name, 40)}={plain(str(value), 80)}" for name, value in event.request.items())
    return {
        "reason": _word(event.reason),
        "faults": _list(_fault(fault) for fault in event.faults),
        "asked": plain(asked, _SENTENCE) or _NONE,
        "run_id": _word(event.run_id),
    }


def _failed(event: TrainingFailed) -> dict[str, str]:
    return {
        "step": _word(event.step).replace("_", " "),
        "state": _word(event.state),
        "reason": _word(event.reason),
        "message": plain(event.message, _MESSAGE),
        "attempts": _word(event.attempts),
        "versions": _triple(event.versions),
        "run_id": _word(event.run_id),
        "mlflow_run_id": _word(event.mlflow_run_id),
    }


def _diverged(event: InferenceDiverged) -> dict[str, str]:
    seconds = event.seconds_since_promotion
    return {
        "replica": _word(event.replica),
        "address": _word(event.address),
        "version": _word(event.version),
        "generation": _word(event.generation),
        "served": _version(event.served_version, event.served_generation, unknown="nothing that it reports"),
        "reason": _word(event.reason),
        "detail": plain(event.detail, _MESSAGE),
        "seconds": "unknown" if seconds is None else f"{seconds:.1f}",
        "listener": _word(event.listener),
    }


def _missing(event: ChampionMissing) -> dict[str, str]:
    return {
        "version": _word(event.version),
        "generation": _word(event.generation),
        "message": plain(event.message, _MESSAGE),
        "mlflow_run_id": _word(event.mlflow_run_id),
        "noticed_at": _word(event.noticed_at),
    }


def _hold(event: PromotionHeld | PromotionReleased) -> dict[str, str]:
    common = {"reason": _said(event.reason), "held_at": _word(event.held_at)}
    if isinstance(event, PromotionHeld):
        until = event.until or "a person releases them"
        return common | {"actor": _actor(event.actor, event.proven), "until": _word(until)}
    return common | {
        "actor": "its time" if event.actor is None else _actor(event.actor, event.proven),
        "released_at": _word(event.released_at),
        "held_by": _word(event.held_by),
        "held_because": _said(event.held_because),
    }


def _quarantine(event: QuarantineEvent) -> dict[str, str]:
    return {
        "version": _word(event.version),
        "generation": _word(event.generation),
        "by_generation": _word(event.by_generation),
        "versions": _triple(event.versions),
        "actor": _word(event.actor),
        "reason": _said(event.reason),
        "run_id": _word(event.run_id),
    }


def _actor(name: str, proven: bool) -> str:  # noqa: FBT001 - as the event has it
    return _word(name) if proven else f"{_word(name)} (not proven)"


def _said(reason: str | None) -> str:
    return "No reason was given." if reason is None else plain(reason, _MESSAGE)


_READ: Final[Mapping[type[Event], Callable[[Any], dict[str, str]]]] = {
    ModelPromoted: _promoted,
    ModelDeclined: _declined,
    TrainingRejected: _rejected,
    TrainingFailed: _failed,
    InferenceDiverged: _diverged,
    ChampionMissing: _missing,
    PromotionHeld: _hold,
    PromotionReleased: _hold,
    ModelQuarantined: _quarantine,
    ModelQuarantineLifted: _quarantine,
}


def _word(value: object) -> str:
    return _NONE if value is None else plain(str(value), _WORD)


def _version(version: int | None, generation: int | None, *, unknown: str = _NONE) -> str:
    if version is None:
        return unknown
    of = "" if generation is None else f" (generation {_word(generation)})"
    return f"version {_word(version)}{of}"


def _triple(versions: VersionTriple | None) -> str:
    if versions is None:
        return _NONE
    names = {"split": "split_version", "features": "feature_version", "model": "model_version"}
    return ", ".join(f"{name} {getattr(versions, field)}" for name, field in names.items())


def _scores(candidate: Score | None, champion: Score | None, decides: str | None) -> str:
    """Each metric of the candidate, with the champion's on the same bytes and the difference.

    What decides comes first, and is said to.
    """
    if candidate is None:
        return _NONE
    ordered = sorted(candidate.metrics.items(), key=lambda found: (found[0] != decides, found[0]))
    told = [
        f"{plain(metric, 40)} {number:.6g}{_against(number, champion.number(metric) if champion else None)}"
        f"{' decides' if metric == decides else ''}"
        for metric, number in ordered[:_MOST]
    ]
    return ", ".join(told) or _NONE


def _against(number: float, before: float | None) -> str:
    return "" if before is None else f" (before {before:.6g}, {number - before:+.3g})"


def _fault(fault: Fault) -> str:
    allowed = f"; allowed: {fault.allowed}" if fault.allowed else ""
    return f"{fault.field}: {fault.message}{allowed}"


def _list(texts: Iterable[str]) -> str:
    """One line each, and how many more there are."""
    all_texts = tuple(texts)
    lines = [f"- {plain(text, _SENTENCE)}" for text in all_texts[:_MOST]]
    if len(all_texts) > _MOST:
        lines.append(f"- and {len(all_texts) - _MOST} more")
    return "\n".join(lines) or f"- {_NONE}"
