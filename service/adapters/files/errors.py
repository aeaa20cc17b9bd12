"""The operating system's errors about files, sorted by the reaction that they ask for."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.errors import TryLater

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def free_bytes(path: Path) -> int | None:
    """What an ordinary user may still write to the disk of `path`; None when nobody can say."""
    for folder in (path, *path.parents):
        try:
            disk = os.statvfs(folder)
        except OSError:
            continue
        return disk.f_bavail * disk.f_frsize
    return None


def sorted_error(error: OSError, path: Path) -> TryLater:
    """Every fault of a disk may pass: no room, a flaky device, a mount or a right that a person mends."""
    code = errno.errorcode.get(error.errno or 0, "unknown")
    if error.errno in NO_ROOM:
        free = free_bytes(path)
        return TryLater(
            "disk_full",
            f"no room to write {path} ({code}): {free} bytes are free; make room, the run goes on by itself",
            waiting_on="disk",
            path=str(path),
            free_bytes=free,
            errno=code,
        )
    return TryLater(
        "file_error",
        f"{path}: {error.strerror or error} ({code})",
        waiting_on="disk",
        path=str(path),
        errno=code,
    )


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Translate OSError while working on `path`; the original stays the cause."""
    try:
        yield
    except OSError as error:
        raise sorted_error(error, path) from error
