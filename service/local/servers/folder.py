"""A lock on a folder that is held exactly as long as some process works in it."""

import fcntl
import os
import time
from pathlib import Path

from service.local.servers.errors import EmbeddedServerError


class FolderLock:
    """A lock file in ``folder``; a child that inherits ``descriptor`` holds it until the child's own end."""

    def __init__(self, folder: Path, user: str) -> None:
        self._path = folder / f"{user}.lock"
        self._user = user
        self._descriptor: int | None = None

    @property
    def descriptor(self) -> int:
        """The open lock file; only between ``acquire`` and ``release``."""
        if self._descriptor is None:
            message = f"the lock of {self._path} is not held"
            raise EmbeddedServerError(message)
        return self._descriptor

    def acquire(self, timeout: float = 10) -> None:
        """Make the folder and take the lock, waiting for a server that is just ending."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + timeout
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                os.close(descriptor)
                message = (
                    f"another {self._user} runs in {self._path.parent};"
                    f" end it (`fuser {self._path}` names its process) or choose another folder"
                )
                raise EmbeddedServerError(message)
            time.sleep(0.02)
        self._descriptor = descriptor

    def is_held(self) -> bool:
        """Whether anybody holds the lock now."""
        if not self._path.exists():
            return False
        descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            return not _try_lock(descriptor)
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Let go of our own handle; a child that inherited it still holds the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
