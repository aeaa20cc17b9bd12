"""What every test may ask for."""

import gc
import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path

# Before numpy or polars is imported: on a shared machine unpinned fits take ten times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("POLARS_MAX_THREADS", "2")

import pytest

# While few modules are loaded: it looks for the home of each name of scikit-learn among all of them.
import skops.io  # noqa: F401
from hypothesis import settings

# How long an example takes says how busy the machine is, so none has a deadline. `make soak` asks for many.
settings.register_profile("laurel", deadline=None, max_examples=50)
settings.register_profile("many", deadline=None, max_examples=400)
settings.load_profile("laurel")

pytest_plugins = ["tests.worlds.servers", "tests.worlds.warm", "tests.chaos.report"]


@pytest.fixture
def own_environment() -> Iterator[MutableMapping[str, str]]:
    """The variables of this process; they, and its folder, are afterwards what they were before."""
    before, folder = dict(os.environ), Path.cwd()
    yield os.environ
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(before)


gc.disable()  # until all tests are there: of what is imported and collected nothing is garbage


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Keep what is there for good, a million objects, out of every further collection of garbage."""
    gc.freeze()
    gc.enable()
