"""Numbers that a file keeps in 32 bits: one value with two spellings, 0.1 and 0.10000000149011612."""

from ctypes import c_float

import numpy as np


def single(value: float) -> float:
    """The number of 32 bits that is nearest; infinity beyond the largest. Raises OverflowError for an int."""
    return c_float(value).value


def shortest(value: float) -> float:
    """The number with the fewest digits that is this one in 32 bits, as people and most writers spell it."""
    return float(str(np.float32(value)))
