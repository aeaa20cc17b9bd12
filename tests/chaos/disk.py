"""A disk that fails on order: every write of Laurel's own, in worker and children, asks here first.

`full` in the folder makes every write fail with ENOSPC while it is there. `disk` holds one order, JSON of
`operation`, `skip` and `action` (a name from errno, or "kill"): who comes to that operation once more than
`skip` times removes it, and is hit.
"""

import errno
import json
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from service.adapters.files.operations import FileOperations
from tests.chaos.points import note

OPERATIONS: Final = ("write", "fsync", "rename", "link", "unlink")


def guard_the_disk(folder: Path) -> None:
    """Let every `FileOperations` that this process and its forks make ask the folder first."""
    guard = _Guard(folder)
    real = FileOperations()
    FileOperations.__init__.__defaults__ = tuple(
        guard.before(name, call) if name in OPERATIONS else call for name, call in vars(real).items()
    )


class _Guard:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._counts: dict[int, int] = {}  # by order, so that each begins anew

    def before(self, operation: str, real: Callable[..., Any]) -> Callable[..., Any]:
        """The operation as it fails when it is told to."""

        def call(*arguments: Any) -> Any:
            if operation == "write" and (self._folder / "full").exists():
                note(self._folder / "refused", f"{os.getpid()}")
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._obey(operation)
            return real(*arguments)

        return call

    def _obey(self, operation: str) -> None:
        path = self._folder / "disk"
        with suppress(FileNotFoundError):
            order = json.loads(path.read_text(encoding="utf-8"))
            if order["operation"] != operation:
                return
            self._counts[order["number"]] = self._counts.get(order["number"], 0) + 1
            if self._counts[order["number"]] > order["skip"]:
                path.unlink()
                self._strike(order["action"])

    def _strike(self, action: str) -> None:
        note(self._folder / "struck", f"{action} {os.getpid()}")
        if action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        code = getattr(errno, action)
        raise OSError(code, os.strerror(code))
