"""Reading small files that people write: bounded, and never from a pipe or a device."""

import os
import stat
from pathlib import Path

from service.adapters.files.errors import disk_errors


def read_small(path: Path, limit: int) -> bytes | None:
    """The bytes of a regular file, None when there is none; at most `limit` + 1 bytes are read.

    Raises TryLater `file_error` when the disk does not give them.
    """
    with disk_errors(path):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would block for ever
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            return _read(fd, limit + 1) if stat.S_ISREG(os.fstat(fd).st_mode) else None
        finally:
            os.close(fd)


def _read(fd: int, limit: int) -> bytes:
    pieces, left = [], limit
    while left and (piece := os.read(fd, left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
