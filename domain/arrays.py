"""Rows of numbers, as models and metrics take and give them, and those that a file keeps in 32 bits.

In 32 bits one value has two spellings: 0.1 and 0.10000000149011612.
"""

from ctypes import c_float

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def single(value: float) -> float:
    """The number of 32 bits that is nearest; infinity beyond the largest. Raises OverflowError for an int."""
    return c_float(value).value


def shortest(value: float) -> float:
    """The number with the fewest digits that is this one in 32 bits, as people and most writers spell it."""
    return float(str(np.float32(value)))
