"""How it is announced that a replica serves the champion, or does not: once per replica and generation."""

from datetime import datetime
from typing import Final

from domain.announcement import Announcement, announce, replica_event_id
from domain.convergence import Replica, ReplicaObservation, RolloutTarget, Served
from domain.events import InferenceDiverged, InferenceReloaded, ReplicaEvent

_LONGEST_DETAIL: Final = 500


def reloaded(
    model_name: str, replica: Replica, wanted: RolloutTarget, served: Served, *, at: datetime, listener: str
) -> Announcement:
    """Make `inference.reloaded` ready for the wire."""
    event = InferenceReloaded(
        **_common(model_name, replica, wanted, at, listener),
        confirmed_generation=served.generation,
        mlflow_run_id=served.run_id,
    )
    return _announced(event, wanted, at)


def diverged(
    model_name: str,
    replica: Replica,
    wanted: RolloutTarget,
    observation: ReplicaObservation,
    *,
    at: datetime,
    listener: str,
) -> Announcement:
    """Make `inference.diverged` ready for the wire."""
    served, problem = observation.served, observation.why_not(wanted)
    event = InferenceDiverged(
        **_common(model_name, replica, wanted, at, listener),
        served_generation=served.generation if served else None,
        served_version=served.version if served else None,
        mlflow_run_id=served.run_id if served else None,
        reason=problem.reason,
        detail=problem.detail[:_LONGEST_DETAIL],
    )
    return _announced(event, wanted, at)


def diverged_event_id(model_name: str, replica: Replica, generation: int) -> str:
    """Derive the id under which it was said, if it was, that the replica does not serve the generation."""
    return replica_event_id(model_name, generation, replica.name, InferenceDiverged.topic)


def reloaded_event_id(model_name: str, replica: Replica, generation: int) -> str:
    """Derive the id under which it is said that the replica serves the generation."""
    return replica_event_id(model_name, generation, replica.name, InferenceReloaded.topic)


def said_seconds(announcement: Announcement) -> float | None:
    """Read back out of an `inference.reloaded` of ours how long after the promotion it was."""
    return InferenceReloaded.model_validate_json(announcement.body).seconds_since_promotion


def said_why(announcement: Announcement) -> str:
    """Read back out of an `inference.diverged` of ours why it was so."""
    event = InferenceDiverged.model_validate_json(announcement.body)
    return f"{event.reason}: {event.detail}"


def seconds_since(wanted: RolloutTarget, at: datetime) -> float | None:
    """Seconds from the promotion, by the clock of record; None when its time is not known."""
    if wanted.promoted_at is None:
        return None
    return max(0.0, (at - wanted.promoted_at).total_seconds())


def _common(
    model_name: str, replica: Replica, wanted: RolloutTarget, at: datetime, listener: str
) -> dict[str, object]:
    return {
        "model_name": model_name,
        "replica": replica.name,
        "url": replica.url,
        "address": replica.address,
        "generation": wanted.generation,
        "version": wanted.version,
        "seconds_since_promotion": seconds_since(wanted, at),
        "listener": listener,
    }


def _announced(event: ReplicaEvent, wanted: RolloutTarget, at: datetime) -> Announcement:
    return announce(
        event,
        event_id=replica_event_id(event.model_name, event.generation, event.replica, event.topic),
        at=at,
        correlation_id=wanted.correlation_id or wanted.promotion_id,
        causation_id=wanted.promotion_id,
    )
