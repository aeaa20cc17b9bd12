"""How a generation is announced: every word of it comes from the ledger's entry.

So every process, at any time, announces the same bytes. By the entry's hash and the ledger's id the ledger
can be checked against what was announced.
"""

from domain.announcement import Announcement, announce, generation_event_id, run_event_id
from domain.events import Generation, ModelPromoted
from domain.ledger import Cause, LedgerEntry


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
    )


def _previous_generation(entry: LedgerEntry) -> int | None:
    return entry.previous_generation if entry.cause is Cause.RECOVERY else entry.generation - 1 or None
