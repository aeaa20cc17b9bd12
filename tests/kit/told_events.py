"""One event of each kind of which people are told, as Laurel announces it."""

from typing import Any, Final

from domain.announcement import Announcement, announce
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
    TrainingFailed,
    TrainingRejected,
)
from domain.faults import Fault
from domain.ledger import Cause
from domain.notice_subjects import Subject
from domain.promotion_checks import Check, Decision
from tests.kit.builders import MODEL, NOW, REFERENCE, TRIPLE, a_score

_RUN: Final = {"run_id": "run-17", "mlflow_run_id": "m-17", "versions": TRIPLE}


def told_event(subject: Subject, model: str = MODEL, **changes: Any) -> Event:
    """An event of this subject."""
    kind, facts = _EVENTS[subject]
    return kind(**{"model_name": model, **facts, **changes})


def told_announcement(subject: Subject, model: str, event_id: str, **changes: Any) -> Announcement:
    """The same, ready for the wire."""
    event = told_event(subject, model, **changes)
    return announce(event, event_id=event_id, at=NOW, correlation_id="c", causation_id=None)


_PROMOTED: Final[dict[str, Any]] = _RUN | {
    "version": 5,
    "model_uri": "models:/price/5",
    "generation": 3,
    "previous_version": 4,
    "previous_generation": 2,
    "cause": Cause.GATE,
    "candidate": a_score(0.12),
    "champion": a_score(0.13),
    "reference_digest": REFERENCE,
    "reasons": ("reference rmsle 0.12 against 0.13 of the champion (version 4): gain +0.01",),
    "actor": "worker-1",
    "promoted_at": NOW.isoformat(),
}
_BY_HAND: Final = {
    "cause": Cause.OVERRIDE,
    "run_id": None,
    "mlflow_run_id": None,
    "versions": None,
    "candidate": None,
    "champion": None,
    "reference_digest": None,
    "reasons": ("the alias was pointed at version 5 by hand",),
}
_QUARANTINE: Final[dict[str, Any]] = {
    "run_id": "run-17",
    "versions": TRIPLE,
    "generation": 3,
    "version": 5,
    "by_generation": 4,
    "train_digest": REFERENCE,
    "actor": "anna (api)",
    "reason": "it doubled every price",
}
_EVENTS: Final[dict[Subject, tuple[type[Event], dict[str, Any]]]] = {
    "promoted": (ModelPromoted, _PROMOTED),
    "overridden": (ModelPromoted, _PROMOTED | _BY_HAND),
    "declined": (
        ModelDeclined,
        _RUN
        | {
            "decision": Decision.DECLINE,
            "reasons": ("the gain is not enough",),
            "checks": (Check(name="gain_above_minimum_effect", passed=False, detail="gain -0.02"),),
            "candidate": a_score(0.15),
            "champion": a_score(0.13),
            "champion_version": 4,
            "champion_generation": 2,
        },
    ),
    "rejected": (
        TrainingRejected,
        {
            "run_id": "run-17",
            "reason": "unknown_version",
            "faults": (
                Fault(
                    code="unknown_version",
                    field="model_version",
                    message="models/v9.yaml does not exist",
                    allowed="1, 2, 3",
                ),
            ),
            "request": {"model_version": "9", "reason": "<!channel> http://a.b"},
        },
    ),
    "failed": (
        TrainingFailed,
        _RUN
        | {
            "state": "SPLIT",
            "step": "open_run",
            "reason": "mlflow_refused",
            "message": "MLflow said no; restore the experiment",
            "facts": {},
            "attempts": 2,
        },
    ),
    "diverged": (
        InferenceDiverged,
        {
            "replica": "http://inference-1:8080",
            "url": "http://inference-1:8080",
            "address": "10.0.0.7",
            "generation": 3,
            "version": 5,
            "seconds_since_promotion": 12.34,
            "listener": "listener-1",
            "served_generation": 2,
            "served_version": 4,
            "reason": "refused",
            "detail": "POST /reload answered 500",
        },
    ),
    "missing": (
        ChampionMissing,
        {
            "generation": 3,
            "version": 5,
            "mlflow_run_id": "m-17",
            "loss": 1,
            "noticed_at": "2026-01-01T00:00:00+00:00",
            "message": "the registry no longer holds version 5; restore it",
        },
    ),
    "held": (
        PromotionHeld,
        {
            "hold_id": "hold-1",
            "reason": "audit until noon",
            "actor": "anna",
            "door": "api",
            "proven": True,
            "held_at": NOW.isoformat(),
            "until": "2026-01-01T12:00:00+00:00",
        },
    ),
    "released": (
        PromotionReleased,
        {
            "hold_id": "hold-1",
            "reason": None,
            "actor": "ben@laptop",
            "door": "command line",
            "proven": False,
            "released_at": NOW.isoformat(),
            "held_at": NOW.isoformat(),
            "held_by": "anna",
            "held_because": "audit until noon",
        },
    ),
    "quarantined": (ModelQuarantined, _QUARANTINE | {"quarantined_at": NOW.isoformat()}),
    "quarantine_lifted": (
        ModelQuarantineLifted,
        _QUARANTINE | {"actor": "ben", "door": "api", "proven": True, "lifted_at": NOW.isoformat()},
    ),
}
