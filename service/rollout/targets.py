"""What is wanted of replicas."""

from domain.announcement import promotion_event_id
from domain.convergence import RolloutTarget
from domain.ledger import LedgerEntry


def wanted_by(entry: LedgerEntry) -> RolloutTarget:
    """What a generation asks of every replica."""
    return RolloutTarget(
        generation=entry.generation,
        version=entry.version,
        promoted_at=entry.at,
        promotion_id=promotion_event_id(entry),
        correlation_id=entry.correlation_id,
        digest=entry.model_digest,
    )
