"""What the outbox says of certain events, in plain SQL."""

from collections.abc import Sequence
from typing import Final

from domain.announcement import Announcement
from service.adapters.postgres.rows import Row, RowSource, load_json

FIELDS: Final = ("event_id", "topic", "key", "headers", "body")
_TOLD: Final = f"""
    SELECT {", ".join(FIELDS)}
    FROM laurel.outbox
    WHERE event_id = ANY (%(ids)s::text[]) AND key = %(model)s::text
    ORDER BY seq
"""  # noqa: S608 - constants of ours


class PostgresToldEvents:
    """`domain.ports.messages.ToldEvents` of one model."""

    def __init__(self, database: RowSource, model_name: str) -> None:
        self._asked = database
        self._told_of = model_name

    async def told(self, event_ids: Sequence[str]) -> Sequence[Announcement]:
        """Read those of these events that are there."""
        which = {"ids": list(event_ids), "model": self._told_of}
        return [
            announcement_of(row)
            for row in await self._asked.rows("look for events in the outbox", _TOLD, which)
        ]


def announcement_of(row: Row) -> Announcement:
    """Make a row of the outbox an announcement again."""
    fields = {name: row[name] for name in FIELDS}
    return Announcement.model_validate({**fields, "headers": load_json(row["headers"])})
