"""The promotion ledger's entries as rows: the canonical text is sealed, the columns are for people."""

from typing import Final

from sqlalchemy import Insert, bindparam, insert, select
from sqlalchemy.sql.selectable import FromClause

from domain.ledger import LedgerEntry
from service.adapters.postgres.tables import promotion_ledger

_ENTERED: Final = (
    *("model_name", "generation", "version", "cause", "previous_hash", "hash", "content"),
    "model_digest",
)


def insert_entry(source: FromClause | None = None) -> Insert:
    """Insert the entry of `entry_parameters`, once for each row of `source` if given.

    Triggers refuse one that does not continue the chain, and one whose hash is not that of its text.
    """
    columns = [promotion_ledger.c[name] for name in _ENTERED]
    row = select(*(bindparam(f"entered_{column.name}", type_=column.type) for column in columns))
    return insert(promotion_ledger).from_select(columns, row if source is None else row.select_from(source))


def entry_parameters(entry: LedgerEntry) -> dict[str, object]:
    """What `insert_entry` reads."""
    fields = {name: getattr(entry, name) for name in _ENTERED if name not in {"content", "cause"}}
    fields |= {"cause": entry.cause.value, "content": entry.text}
    return {f"entered_{name}": value for name, value in fields.items()}
