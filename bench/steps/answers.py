"""How a process that trains talks to the bench.

With a version of the model after FOLDER TRACKING_URI NAME it trains once and ends; without, it stays and
trains the version in each line of its input. Each training is answered with a line among those that a tool
may print itself: the seconds that it took, and the error of the model that it promoted.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.steps.order import Place, Request

ANSWER: Final = "trained: "


def answer(train: Callable[[Request], float]) -> None:
    """Train once, or once per line of input."""
    folder, tracking_uri, name, *once = sys.argv[1:]
    place = Place(Path(folder), tracking_uri, name)
    for line in once or sys.stdin:
        began = time.monotonic()
        error = train(Request(place, int(line)))
        sys.stdout.write(f"{ANSWER}{time.monotonic() - began:.6f} {error!r}\n")
        sys.stdout.flush()
