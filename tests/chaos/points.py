"""Crash points that files in a folder arm, so that one test commands points in any process at any time.

`kill/<point>` kills who passes first, `hold/<point>` stops who passes first until `go/<point>` appears. Who
removes the file is the one: of many processes each order is carried out once. An order to kill becomes
`dying/<point> <pid>` in the same moment, so that it is never gone while its victim still lives.
"""

import asyncio
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from domain.points import Point, Points

# Of the listener, and of commands that are one statement: the model checker, or races, have these.
_OTHERS: Final = ("reload.", "cancel.", "hold.", "release.", "lift.", "rollback.", "promote.")
NOT_THE_WORKERS: Final = frozenset(point for point in Point if point.startswith(_OTHERS))
FOLDER_VARIABLE: Final = "LAUREL_CHAOS_FOLDER"
_PAUSE: Final = 0.01
_INIT: Final = 1  # it takes over what the dead leave
WORKER: Final = "worker"  # in `kill/<point>`: not only who passes, but the worker that it works for


class ArmedPoints(Points):
    """What a worker and its children are given in place of the empty points."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def at(self, point: Point) -> None:
        """Pass a point in the worker."""
        if self._meets(point):
            while not self._may_go(point):  # noqa: ASYNC110 - another process lets go, by a file
                await asyncio.sleep(_PAUSE)

    def passed(self, point: Point) -> None:
        """Pass a point in a child."""
        if self._meets(point):
            while not self._may_go(point):
                time.sleep(_PAUSE)

    def _meets(self, point: Point) -> bool:
        """Note who was here, die if that was ordered, say if it is to be held."""
        note(self._folder / "passed", f"{point} {os.getpid()}")
        self._die_if_ordered(point)
        if not self._takes_hold(point):
            return False
        note(self._folder / "held", f"{point} {os.getpid()}")
        return True

    def _die_if_ordered(self, point: Point) -> None:
        order = self._folder / "kill" / point
        with suppress(FileNotFoundError):  # there is none, or somebody else was first
            worker_too = order.read_text(encoding="utf-8") == WORKER
            victim = _worker_of(os.getpid()) if worker_too else os.getpid()
            (self._folder / "dying").mkdir(exist_ok=True)
            order.rename(self._folder / "dying" / f"{point} {victim}")
            note(self._folder / "killed", f"{point} {os.getpid()}")
            os.kill(victim, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)

    def _takes_hold(self, point: Point) -> bool:
        try:
            (self._folder / "hold" / point).unlink()
        except FileNotFoundError:
            return False
        return True

    def _may_go(self, point: Point) -> bool:
        return (self._folder / "go" / point).exists()


def note(path: Path, line: str) -> None:
    """Append a line in one write, whoever else does."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


def _worker_of(child: int) -> int:
    """A child's parent is the fork parent, whose parent is the worker; itself, if that died just now."""
    worker = parent(parent(child))
    return worker if worker > _INIT else child


def parent(pid: int) -> int:
    """The process that a process is a child of."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    return int(stat[stat.rindex(")") + 2 :].split()[1])
