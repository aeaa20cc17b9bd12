"""File operations of which the n-th fails, or kills the process."""

import errno
import os
import signal
from collections.abc import Callable
from typing import Any

from service.adapters.files.operations import FileOperations

Fault = Callable[[], None]


def disk_error(code: int) -> Fault:
    """Make a fault that raises OSError with `code`."""

    def fail() -> None:
        raise OSError(code, os.strerror(code))

    return fail


ENOSPC = disk_error(errno.ENOSPC)
EIO = disk_error(errno.EIO)


def sigkill() -> None:
    """End this process as a kill -9 does."""
    os.kill(os.getpid(), signal.SIGKILL)


class NthFault:
    """Counts the calls to `operation`; before the n-th does anything, the fault happens."""

    def __init__(self, operation: str, nth: int, fault: Fault) -> None:
        self.fired = False
        self._operation, self._left, self._fault = operation, nth, fault
        real = FileOperations()
        names = ("write", "fsync", "rename", "link", "unlink")
        self.operations = FileOperations(**{name: self._counted(name, getattr(real, name)) for name in names})

    def _counted(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if name == self._operation:
                self._left -= 1
                if self._left == 0:
                    self.fired = True
                    self._fault()
            return real(*arguments)

        return call
