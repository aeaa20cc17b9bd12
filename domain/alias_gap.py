"""Whether the registry's alias shows the ledger's head."""

from datetime import datetime, timedelta
from typing import Final

from domain.ledger import LedgerEntry

# A worker moves the alias within milliseconds of the entry; while MLflow is away it takes longer.
_FOLLOWS_WITHIN: Final = timedelta(seconds=30)


def alias_gap(head: LedgerEntry | None, named: int | None, alias: str, now: datetime) -> str | None:
    """Say that the alias names another version than the head, or none; None while it is just following."""
    if head is None or named == head.version or now - head.at < _FOLLOWS_WITHIN:
        return None
    says = f"names version {named}" if named else "does not exist"
    return (
        f"the alias {alias!r} {says}, and the ledger's head is version {head.version} (generation "
        f"{head.generation}): a running worker records a person's move, or brings the alias back, within "
        "WORKER__RECONCILE_SECONDS. `laurel doctor` says whether one runs"
    )
