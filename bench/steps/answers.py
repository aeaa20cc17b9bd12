"""How a process that trains talks to the bench.

With a version of the model after FOLDER TRACKING_URI NAME it trains once and ends; without, it stays and
trains the version in each line of its input. Each training is answered with a line: the seconds that it took,
and the error of the model that it promoted.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.steps.order import Place, Request


def answer(train: Callable[[Request], float]) -> None:
    """Train once, or once per line of input."""
    folder, tracking_uri, name, *once = sys.argv[1:]
    place = Place(Path(folder), tracking_uri, name)
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)  # some tools talk
        for line in once or sys.stdin:
            began = time.monotonic()
            error = train(Request(place, int(line)))
            out.write(f"{time.monotonic() - began:.6f} {error!r}\n")
            out.flush()
