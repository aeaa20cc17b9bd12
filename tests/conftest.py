"""What every test may ask for."""

import os

# Before numpy or polars is imported: on a shared machine unpinned fits take ten times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("POLARS_MAX_THREADS", "2")

pytest_plugins = ["tests.worlds.servers", "tests.worlds.warm", "tests.chaos.report"]
