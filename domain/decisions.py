"""What a person decides about the champion: made once under one key, and never past another person."""

from collections.abc import Sequence

from domain.errors import NeverRetry
from domain.ledger import Cause, LedgerEntry

_BY_COMMAND = frozenset({Cause.ROLLBACK, Cause.OVERRIDE})


class CannotDecide(NeverRetry):
    """Nothing was changed; the sentence says why, and what can be done instead."""


def made_under(key: str, entries: Sequence[LedgerEntry]) -> LedgerEntry | None:
    """The entry that a command under this key has made: the key is its correlation id."""
    by_command = (entry for entry in reversed(entries) if entry.cause in _BY_COMMAND)
    return next((entry for entry in by_command if entry.correlation_id == key), None)


def require_same(made: LedgerEntry, key: str, *, same: bool) -> None:
    """Under one key there is one command. Raises NeverRetry `id_conflict`."""
    if not same:
        raise NeverRetry(
            "id_conflict",
            f"{key} came before with another command, which made generation {made.generation}: it stands",
        )


def require_not_overtaken(
    seen: LedgerEntry | None, entries: Sequence[LedgerEntry], *, but_by: Cause | None = None
) -> None:
    """Raise CannotDecide `overtaken` where somebody was first; generations of the cause `but_by` may be."""
    before = seen.generation if seen else 0
    for entry in entries:
        if entry.generation > before and entry.cause is not but_by:
            raise CannotDecide(
                "overtaken",
                f"nothing was changed: generation {entry.generation} ({entry.cause.value}) came meanwhile, "
                f"by {entry.actor}: {entry.reasons[0]}. The champion is version {entries[-1].version} now; "
                "look, and decide again",
            )
