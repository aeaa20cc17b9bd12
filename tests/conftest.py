"""What every test may ask for."""

import gc
import os

# Before numpy or polars is imported: on a shared machine unpinned fits take ten times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("POLARS_MAX_THREADS", "2")

import pytest

# While few modules are loaded: it looks for the home of each name of scikit-learn among all of them.
import skops.io  # noqa: F401
from hypothesis import settings

settings.register_profile("laurel", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("laurel")

pytest_plugins = ["tests.worlds.servers", "tests.worlds.warm", "tests.chaos.report"]

gc.disable()  # until all tests are there: of what is imported and collected nothing is garbage


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Keep what is there for good, a million objects, out of every further collection of garbage."""
    gc.freeze()
    gc.enable()
