"""The calls that change a disk, as an object: a test can make the n-th one fail."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path

TEMPORARY_SUFFIX = ".laurel-tmp"
_FICLONE = 0x40049409


def clone(target: int, source: int) -> None:
    """Let an open file have the blocks of another, each its own as soon as it is written to."""
    ioctl(target, _FICLONE, source)


@dataclass(frozen=True)
class FileOperations:
    """What the atomic writer asks of the operating system; each raises OSError as the system call does."""

    write: Callable[[int, bytes | memoryview], int] = os.write
    fsync: Callable[[int], None] = os.fsync
    rename: Callable[[Path, Path], None] = os.replace
    link: Callable[[Path, Path], None] = os.link
    unlink: Callable[[Path], None] = os.unlink
    clone: Callable[[int, int], None] = clone
