"""A reload listener as a process with armed points: `python -m tests.integration.reload.armed_listener`."""

import asyncio
import os
import sys
from functools import partial
from pathlib import Path

from config.settings import Settings
from service.rollout.root import open_listener
from service.runtime.metrics import Metrics
from service.runtime.role import Role
from tests.chaos.points import FOLDER_VARIABLE, ArmedPoints


async def main() -> None:
    """Live as `laurel reload-listener` does."""
    settings, metrics = Settings(), Metrics()
    points = ArmedPoints(Path(os.environ[FOLDER_VARIABLE]))
    opened = partial(open_listener, settings, metrics, points=points)
    role = Role("reload-listener", opened, metrics, grace_seconds=5)
    role.stop_on_signals()
    await role.run("127.0.0.1", 0)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
