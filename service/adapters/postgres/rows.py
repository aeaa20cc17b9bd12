"""Rows for those who ask in plain SQL, which needs no library of statements; and JSON in text columns."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from pydantic_core import from_json

from service.runtime.clock import RecordClock

NO_PARAMETERS: Final[Mapping[str, object]] = {}


class Row(Protocol):
    """A row: its values by column."""

    def __getitem__(self, column: str, /) -> Any:
        """Give a value."""

    def keys(self) -> Iterable[Any]:
        """Name the columns."""


class RowSource(Protocol):
    """Asks statements whose parameters stand as `%(name)s`; `doing` is a verb phrase for errors.

    Each call raises TryLater when there is no answer in time or it is refused, NeverRetry for a value that
    the database cannot hold, Stop when the schema is not ours or a pooler does not keep sessions.
    """

    clock: RecordClock

    async def rows(
        self, doing: str, statement: str, parameters: Mapping[str, object] = NO_PARAMETERS
    ) -> Sequence[Row]:
        """Run a statement and return its rows. It may run twice."""

    async def row(
        self, doing: str, statement: str, parameters: Mapping[str, object] = NO_PARAMETERS
    ) -> Row | None:
        """Give the first row of `rows`, None without one."""


def dump_json(value: Mapping[str, object]) -> str:
    """Write JSON in ASCII alone, so that even a NUL or half a surrogate pair in a string can be stored.

    Raises ValueError for NaN and infinity: what is kept is always JSON.
    """
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def dump_sorted_json(value: Mapping[str, object]) -> str:
    """Write JSON whose text is the same whenever its content is."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False, sort_keys=True)


def load_json(text: str) -> dict[str, object]:
    """Read what was written. The quick reader takes all but half a surrogate pair."""
    value: dict[str, object]
    try:
        value = from_json(text)
    except ValueError:
        value = json.loads(text)
    return value
