"""Rows of numbers, as models and metrics take and give them, and those that a file keeps in 32 bits.

In 32 bits one value has two spellings: 0.1 and 0.10000000149011612.
"""

from collections.abc import Mapping, Sequence
from ctypes import c_float
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = NDArray[np.float64 | np.float32]


class RowColumns(NamedTuple):
    """Checked rows by column: a column of `numbers` for each of `names`, NaN for a null; `texts` by name."""

    names: tuple[str, ...]
    numbers: Floats
    texts: Mapping[str, Sequence[str | None]]

    def values(self, name: str) -> Sequence[str | float | None]:
        """One column, None for a null."""
        if name in self.texts:
            return self.texts[name]
        column = self.numbers[:, self.names.index(name)]
        found: list[float | None] = column.tolist()
        for place in np.flatnonzero(np.isnan(column)):
            found[place] = None
        return found


def single(value: float) -> float:
    """The number of 32 bits that is nearest; infinity beyond the largest. Raises OverflowError for an int."""
    return c_float(value).value


def shortest(value: float) -> float:
    """The number with the fewest digits that is this one in 32 bits, as people and most writers spell it."""
    return float(str(np.float32(value)))
