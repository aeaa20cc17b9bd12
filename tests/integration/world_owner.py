"""A program that owns a world, for tests that end it: ``python -m tests.integration.world_owner FOLDER``.

It prints a line for each thing that it does, ``READY`` when all servers answer, and then waits to be ended.
"""

import signal
import sys
from pathlib import Path

from service.local.servers.postgres import FAST_SETTINGS
from service.local.servers.stack import LocalStack, Ports, WorldOptions


def _report(server: str, phase: str, _seconds: float) -> None:
    sys.stdout.write(f"{server} {phase}\n")
    sys.stdout.flush()


def main() -> None:
    """Start a world and wait."""
    options = WorldOptions(ports=Ports.free(), postgres=FAST_SETTINGS, progress=_report)
    with LocalStack(Path(sys.argv[1]), options):
        _report("all", "READY", 0)
        signal.pause()


if __name__ == "__main__":
    main()
