"""Looking at processes from outside."""

import os
from collections.abc import Iterable
from pathlib import Path


def alive(pids: Iterable[int]) -> list[int]:
    """Those of *pids* that still run; a zombie has ended and only waits for its parent."""
    return [pid for pid in pids if _state(pid) not in {"", "Z", "X"}]


def stopped(pid: int) -> bool:
    return _state(pid) == "T"


def started_by(parent: int) -> list[int]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if _stat(pid)[1:2] == [str(parent)]]


def _state(pid: int) -> str:
    return _stat(pid)[0]


def _stat(pid: int) -> list[str]:
    """State, parent, group …; one empty word for a process that is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return [""]
    return stat[stat.rindex(")") + 2 :].split()


def open_descriptors(pid: int | None = None) -> int:
    return len(list(Path(f"/proc/{pid or os.getpid()}/fd").iterdir()))
