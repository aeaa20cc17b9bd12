"""Rows of numbers, as models and metrics take and give them."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
