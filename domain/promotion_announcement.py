"""How a generation is announced: every word of it comes from the ledger's entry.

So whoever announces it, and whenever, says the same bytes.
"""

from domain.announcement import Announcement, announce, generation_event_id, run_event_id
from domain.events import ModelPromoted
from domain.ledger import LedgerEntry


def announcement_of(entry: LedgerEntry) -> Announcement:
    """Make a generation's `model.promoted` ready for the wire."""
    run_id, event_id = entry.run_id, promotion_event_id(entry)
    return announce(
        model_promoted(entry),
        event_id=event_id,
        at=entry.at,
        correlation_id=entry.correlation_id or event_id,
        causation_id=None if run_id is None else run_event_id(run_id, "TRAINED-EVALUATED"),
    )


def promotion_event_id(entry: LedgerEntry) -> str:
    """Derive the id of a generation's `model.promoted`."""
    if entry.run_id is None:
        return generation_event_id(entry.model_name, entry.generation)
    return run_event_id(entry.run_id, "PROMOTED-COMPLETED")


def model_promoted(entry: LedgerEntry) -> ModelPromoted:
    """Say what a reader needs to act on a promotion without calling back."""
    return ModelPromoted(
        model_name=entry.model_name,
        run_id=entry.run_id,
        mlflow_run_id=entry.mlflow_run_id,
        version=entry.version,
        model_uri=entry.model_uri,
        generation=entry.generation,
        previous_version=entry.previous_version,
        previous_generation=entry.generation - 1 or None,
        versions=entry.triple,
        cause=entry.cause,
        candidate=entry.candidate_score,
        champion=entry.champion_score,
        reference_digest=entry.candidate_score.dataset_digest if entry.candidate_score else None,
        reasons=entry.reasons,
        actor=entry.actor,
        promoted_at=entry.at.isoformat(),
    )
