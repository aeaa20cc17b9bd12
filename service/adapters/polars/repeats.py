"""Hashes that occur more than once, found in memory that does not grow with their number.

No two equal hashes means no two equal keys. The hashes are spilled to disk by ranges, each of which is looked
at alone. The engine's hash may change with its version; it decides nothing, since only keys whose hashes
occur twice are looked at by value.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from service.adapters.files.scratch import Scratch

Hashes: TypeAlias = NDArray[np.uint64]

HELD = 1_000_000  # hashes of a range, of 8 bytes each
_MOST_RANGES: Final = 256
_BYTES: Final = 8


class Repeats:
    """Takes hashes, and says which came twice. `expected` is how many will come, about."""

    def __init__(self, expected: int, scratch: Scratch | None = None) -> None:
        self._scratch = scratch
        self._ranges = 1 if scratch is None else min(_MOST_RANGES, max(1, -(-expected // HELD)))
        self._blocks: list[Hashes] = []  # what is held, if there is one range
        self._places: list[tuple[int, Hashes]] = []  # of each spilled block: its place, where its ranges end

    def add(self, hashes: pl.Series) -> None:
        """Take some. Raises TryLater `disk_full` or `file_error`."""
        found: Hashes = hashes.to_numpy()
        if self._scratch is None or self._ranges == 1:
            self._blocks.append(found)
            return
        number = ((found >> np.uint64(32)) * np.uint64(self._ranges) >> np.uint64(32)).astype(np.uint8)
        block = found[np.argsort(number, kind="stable")]
        ends = np.cumsum(np.bincount(number, minlength=self._ranges))
        self._places.append((self._scratch.write(block.data), ends.astype(np.uint64)))

    def found(self) -> pl.Series:
        """Each hash that came more than once. Raises TryLater `file_error`."""
        with ThreadPoolExecutor(pl.thread_pool_size()) as threads:
            twice = [*threads.map(lambda number: _twice(self._range(number)), range(self._ranges))]
        return pl.Series("hash", np.concatenate(twice), dtype=pl.UInt64)

    def _range(self, number: int) -> Hashes:
        if self._scratch is None or self._ranges == 1:
            return np.concatenate(self._blocks) if self._blocks else np.zeros(0, np.uint64)
        pieces = []
        for place, ends in self._places:
            first, last = (int(ends[number - 1]) if number else 0), int(ends[number])
            if last > first:
                pieces.append(self._scratch.read(place + first * _BYTES, (last - first) * _BYTES))
        return np.frombuffer(b"".join(pieces), np.uint64)


def _twice(hashes: Hashes) -> Hashes:
    ordered = np.sort(hashes)
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
