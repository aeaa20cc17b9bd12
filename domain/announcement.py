"""An event made ready for the wire: once written down, its bytes never change.

Every word of a generation's announcement comes from the ledger's entry, so every process, at any time,
announces the same bytes. By the entry's hash and the ledger's id the ledger can be checked against what was
announced. A replica announces once per generation that it serves the champion, or does not.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from domain.convergence import Replica, ReplicaObservation, RolloutTarget, Served
from domain.events import (
    ChampionMissing,
    Event,
    Generation,
    InferenceDiverged,
    InferenceReloaded,
    ModelPromoted,
    ReplicaEvent,
)
from domain.ledger import Cause, LedgerEntry
from domain.rollback import returned_to
from domain.values import Value

_NAMESPACE: Final = uuid.UUID("3b7c9a52-6f0e-5c43-9d0b-1f6f2f9f6a11")  # ours, made once, never to change


class Announcement(Value):
    """One record for Kafka: CloudEvents attributes as headers (`ce_…`), JSON as body, the model as key."""

    event_id: str
    topic: str
    key: str
    headers: Mapping[str, str]
    body: str


def run_event_id(run_id: str, transition: str) -> str:
    """Derive the id of the event that a run's transition causes, e.g. `EVALUATED-PROMOTED`."""
    return str(uuid.uuid5(_NAMESPACE, f"run/{run_id}/{transition}"))


def generation_event_id(model_name: str, generation: int) -> str:
    """Derive the id of the event that announces a generation which no run brought about."""
    return str(uuid.uuid5(_NAMESPACE, f"generation/{model_name}/{generation}"))


def replica_event_id(model_name: str, generation: int, replica: str, outcome: str) -> str:
    """Derive the id of what is said of one replica and one generation, once for each outcome."""
    return str(uuid.uuid5(_NAMESPACE, f"replica/{model_name}/{generation}/{outcome}/{replica}"))


def loss_event_id(model_name: str, generation: int, number: int) -> str:
    """Derive the id of what is said of the loss of a champion's version."""
    return str(uuid.uuid5(_NAMESPACE, f"loss/{model_name}/{generation}/{number}"))


def hold_event_id(model_name: str, hold_id: str, outcome: str) -> str:
    """Derive the id of what is said of one hold, once for its beginning and once for its end."""
    return str(uuid.uuid5(_NAMESPACE, f"hold/{model_name}/{outcome}/{hold_id}"))


def quarantine_event_id(model_name: str, generation: int, by_generation: int, outcome: str) -> str:
    """Derive the id of what is said of one quarantine, once for its beginning and once for its end."""
    return str(uuid.uuid5(_NAMESPACE, f"quarantine/{model_name}/{outcome}/{generation}/{by_generation}"))


def announce(
    event: Event, *, event_id: str, at: datetime, correlation_id: str, causation_id: str | None
) -> Announcement:
    """Write an event down in CloudEvents' binary mode (Kafka protocol binding 1.0.2)."""
    attributes = {
        "specversion": "1.0",
        "id": event_id,
        "source": f"/laurel/{event.model_name}",
        "type": event.wire_type,
        "subject": event.model_name,
        "time": at.isoformat(),
        "correlationid": correlation_id,
        **({"causationid": causation_id} if causation_id else {}),
    }
    headers = {f"ce_{name}": value for name, value in attributes.items()} | {
        "content-type": "application/json"
    }
    body = json.dumps(event.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, allow_nan=False)
    return Announcement(
        event_id=event_id, topic=event.topic, key=event.model_name, headers=headers, body=body
    )


class Loss(NamedTuple):
    """One loss of a generation's version: its number from 1, and when it was first noticed."""

    number: int
    noticed_at: datetime


def announcement_of(entry: LedgerEntry, ledger_id: str) -> Announcement:
    """Make a generation's `model.promoted` ready for the wire; `ledger_id` names the ledger that holds it."""
    run_id, event_id = entry.run_id, promotion_event_id(entry)
    return announce(
        model_promoted(entry, ledger_id),
        event_id=event_id,
        at=entry.at,
        correlation_id=entry.correlation_id or event_id,
        causation_id=None if run_id is None else run_event_id(run_id, "TRAINED-EVALUATED"),
    )


def missing_announcement(head: LedgerEntry, loss: Loss) -> Announcement:
    """Make the `champion.missing` of a loss ready for the wire: whoever tells of it says the same."""
    promotion = promotion_event_id(head)
    event = ChampionMissing(
        model_name=head.model_name,
        generation=head.generation,
        version=head.version,
        mlflow_run_id=head.mlflow_run_id,
        loss=loss.number,
        noticed_at=loss.noticed_at.isoformat(),
        message=(
            f"the registry no longer holds version {head.version} of {head.model_name}, the champion "
            f"(generation {head.generation}): servers keep what they have loaded, and nothing is promoted. "
            "Restore MLflow's database; else `laurel ledger accept --reason …` goes on with the version that "
            "the alias names, or the newest champion that is still there"
        ),
    )
    return announce(
        event,
        event_id=loss_event_id(head.model_name, head.generation, loss.number),
        at=loss.noticed_at,
        correlation_id=head.correlation_id or promotion,
        causation_id=promotion,
    )


def promotion_event_id(entry: LedgerEntry) -> str:
    """Derive the id of a generation's `model.promoted`."""
    if entry.run_id is None:
        return generation_event_id(entry.model_name, entry.generation)
    return run_event_id(entry.run_id, "PROMOTED-COMPLETED")


def model_promoted(entry: LedgerEntry, ledger_id: str) -> ModelPromoted:
    """Say what a reader needs to act on a promotion without calling back."""
    return ModelPromoted(**dict(generation_of(entry)), ledger_id=ledger_id)


def generation_facts(entry: LedgerEntry) -> dict[str, object]:
    """Show an entry to programs: the form of a generation, beside the entry's own older names."""
    return entry.model_dump(mode="json") | generation_of(entry).model_dump(mode="json")


def generation_of(entry: LedgerEntry) -> Generation:
    """Put an entry into the form of a generation."""
    return Generation(
        model_name=entry.model_name,
        run_id=entry.run_id,
        mlflow_run_id=entry.mlflow_run_id,
        version=entry.version,
        model_uri=entry.model_uri,
        generation=entry.generation,
        previous_version=entry.previous_version,
        previous_generation=_previous_generation(entry),
        versions=entry.triple,
        cause=entry.cause,
        candidate=entry.candidate_score,
        champion=entry.champion_score,
        reference_digest=entry.candidate_score.dataset_digest if entry.candidate_score else None,
        reasons=entry.reasons,
        actor=entry.actor,
        promoted_at=entry.at.isoformat(),
        entry_hash=entry.hash,
        model_digest=entry.model_digest,
        metric=entry.policy.metric if entry.policy else None,
        reason=entry.reasons[0],
        returns_to=returned_to(entry),
    )


def _previous_generation(entry: LedgerEntry) -> int | None:
    return entry.previous_generation if entry.cause is Cause.RECOVERY else entry.generation - 1 or None


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


def reported_generation(announcement: Announcement) -> int:
    """Read back out of a report of ours which generation it is about."""
    return ReplicaEvent.model_validate_json(announcement.body).generation


def why_not_served_by_all(
    reports: Sequence[Announcement], of_the_head: Sequence[Announcement], *, expected: bool
) -> str:
    """Why it is not known that every replica served a generation, whatever came later; empty if it is.

    `reports` are all of that generation. A replica that never served it, and of which nothing is said under
    the head, is gone and does not count. If no servers are `expected` and none spoke, there is nobody to ask.
    """
    served = {_replica_of(told) for told in reports if told.topic == InferenceReloaded.topic}
    others = {_replica_of(told): told for told in reports if told.topic == InferenceDiverged.topic}
    there = {_replica_of(told) for told in of_the_head} or others.keys()
    for replica in sorted((others.keys() - served) & there):
        return f"{replica} never served it: {said_why(others[replica])}"
    return "no replica has ever said that it served it" if (expected or there) and not served else ""


def _replica_of(report: Announcement) -> str:
    return ReplicaEvent.model_validate_json(report.body).replica


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
