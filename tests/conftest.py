"""What every test may ask for."""

import os

# Before numpy or polars is imported: on a shared machine unpinned fits take ten times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("POLARS_MAX_THREADS", "2")

from hypothesis import settings

settings.register_profile("laurel", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("laurel")

pytest_plugins = ["tests.worlds.servers", "tests.worlds.warm", "tests.chaos.report"]
