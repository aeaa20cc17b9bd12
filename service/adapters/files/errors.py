"""The operating system's errors about files, sorted by the reaction that they ask for.

Small files that people write are read within bounds, and never from a pipe or a device.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.errors import TryLater
from domain.wording import byte_count

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


def lacks_inodes(path: Path) -> bool:
    """True when the disk of `path` can take no further file, however much room it has."""
    for folder in (path, *path.parents):
        try:
            disk = os.statvfs(folder)
        except OSError:
            continue
        return disk.f_files > 0 and disk.f_favail == 0
    return False


def sorted_error(error: OSError, path: Path) -> TryLater:
    """Every fault of a disk may pass: no room, a flaky device, a mount or a right that a person corrects."""
    code = errno.errorcode.get(error.errno or 0, "unknown")
    if error.errno in NO_ROOM:
        return _no_room(path, code)
    named = _named(error, path)
    return TryLater(
        "file_error",
        f"{named}: {error.strerror or error} ({code})",
        waiting_on="disk",
        path=str(named),
        errno=code,
    )


def _no_room(path: Path, code: str) -> TryLater:
    free, inodes = free_bytes(path), lacks_inodes(path)
    why = "no inode is free: remove files" if inodes else f"{byte_count(free or 0)} are free; make space"
    return TryLater(
        "disk_full",
        f"no space to write {path} ({code}): {why}; the run then goes on by itself",
        waiting_on="disk",
        path=str(path),
        free_bytes=free,
        free_inodes=0 if inodes else None,
        errno=code,
    )


def _named(error: OSError, path: Path) -> Path:
    """The file that the system named, be it a source elsewhere; a draft beside `path` is `path` itself."""
    if not isinstance(error.filename, str | bytes):
        return path
    named = Path(os.fsdecode(error.filename))
    return path if path.parent in named.parents else named


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Translate OSError while working on `path`, or on what it is made of; the original stays the cause."""
    try:
        yield
    except OSError as error:
        raise sorted_error(error, path) from error


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
