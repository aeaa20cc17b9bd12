"""Where statements in plain SQL are asked: what only reads needs no library that builds statements."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

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
