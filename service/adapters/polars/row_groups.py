"""A Parquet file that is written as its rows come, in memory that does not grow with them.

The engine encodes it, on all its threads. A sink of its own for each part: those that share a scan keep what
others have not taken yet, however much that is.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Full, Queue
from types import TracebackType
from typing import IO, Final, Self, cast

import polars as pl
from polars.io.plugins import register_io_source

from service.adapters.files.atomic import Draft

# Fixed, so that the same rows are the same bytes on any worker, however the master was laid out. Level 1
# of zstd: hardly slower than snappy, and a third less to hash, copy and push afterwards.
ROW_GROUP: Final = 65_536

_AHEAD: Final = 2  # batches that wait for the encoder
_ASK_SECONDS: Final = 0.2  # until a writer asks whether its encoder still lives


class PartWriter:
    """Writes rows of one schema into a draft. Raises OSError, which the draft keeps, and PolarsError."""

    def __init__(self, draft: Draft, schema: pl.Schema) -> None:
        self._rows: Queue[pl.DataFrame | None] = Queue(_AHEAD)
        self._thread = ThreadPoolExecutor(1)
        self._written = self._thread.submit(self._write, draft, schema)

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let the thread end."""
        with suppress(Exception):  # it was raised where it was met
            self.close()
        self._thread.shutdown()

    def add(self, rows: pl.DataFrame | None) -> None:
        """Add rows of any number, or say that no more come."""
        while not self._written.done():
            with suppress(Full):
                self._rows.put(rows, timeout=_ASK_SECONDS)
                return
        self._written.result()

    def close(self) -> None:
        """Write the rows that wait, and the footer."""
        self.add(None)
        self._written.result()

    def _write(self, draft: Draft, schema: pl.Schema) -> None:
        register_io_source(self._taken, schema=schema).sink_parquet(
            cast("IO[bytes]", draft),  # of a file's methods it calls the two that a draft has
            compression="zstd",
            compression_level=1,
            statistics=False,
            row_group_size=ROW_GROUP,
            engine="streaming",
        )

    def _taken(self, *_: object) -> Iterator[pl.DataFrame]:
        """The rows as they come; the engine asks for all of them."""
        while (rows := self._rows.get()) is not None:
            yield rows
