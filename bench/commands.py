"""What a command costs: CPU seconds of its whole process, the least of three."""

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Final

HELP: Final = "runs --help"
LOOKS: Final = ("config show", "runs", "champion", "status")
_TRIES: Final = 3


def measure_commands(environment: Mapping[str, str]) -> dict[str, float]:
    """Each command in this environment; one that fails has no figure worth telling."""
    return {command: _cpu_seconds(command, environment) for command in (HELP, *LOOKS)}


def _cpu_seconds(command: str, environment: Mapping[str, str]) -> float:
    return min(_spent(command, environment) for _ in range(_TRIES))


def _spent(command: str, environment: Mapping[str, str]) -> float:
    child = subprocess.Popen(  # noqa: S603 - ours
        [sys.executable, "-m", "service.cli", *command.split()],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in {0, 4}:  # 4: no server is configured, or there is no champion yet
        raise SystemExit(f"laurel {command} ended with {child.returncode}")
    return usage.ru_utime + usage.ru_stime
