"""What a parquet file holds, from its footer alone."""

import os
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from domain.datasets import DatasetLimits
from domain.wording import byte_count
from service.adapters.files.errors import disk_errors
from service.adapters.polars.frames import open_dataset, unreadable

_MAGIC: Final = b"PAR1"
_ENCRYPTED: Final = b"PARE"
_TAIL: Final = 8  # length of the footer (4 bytes, little-endian) and the magic
_SMALLEST: Final = len(_MAGIC) + _TAIL


@dataclass(frozen=True)
class Inspection:
    """Columns with their types in the contract's words, rows, and the file's size in bytes."""

    columns: Mapping[str, str]
    rows: int
    bytes: int


def inspect(path: Path, limits: DatasetLimits) -> Inspection:
    """Read a file's footer. Raises NeverRetry `unreadable_dataset`, TryLater `file_error`."""
    size = check_header(path, limits)
    footer_only = limits.model_copy(update={"in_memory_cells": -1})
    dataset = open_dataset(path, footer_only)
    return Inspection(dataset.kinds, dataset.rows, size)


def check_header(path: Path, limits: DatasetLimits) -> int:
    """Refuse a file that is not Parquet, or too large to inspect; return its size in bytes."""
    with disk_errors(path):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would block for ever
        except (FileNotFoundError, NotADirectoryError) as error:
            raise unreadable(path, "there is no such file") from error
        try:
            return _checked_size(path, fd, limits)
        finally:
            os.close(fd)


def _checked_size(path: Path, fd: int, limits: DatasetLimits) -> int:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise unreadable(path, "it is not a regular file")
    if not _SMALLEST <= status.st_size <= limits.max_bytes:
        raise unreadable(
            path,
            f"it has {byte_count(status.st_size)}; from {_SMALLEST} bytes to {byte_count(limits.max_bytes)} "
            "are allowed",
        )
    head, tail = os.pread(fd, len(_MAGIC), 0), os.pread(fd, _TAIL, status.st_size - _TAIL)
    if _ENCRYPTED in {head, tail[4:]}:
        raise unreadable(path, "it is encrypted")
    if head != _MAGIC or tail[4:] != _MAGIC:
        raise unreadable(path, "it is not a Parquet file (no PAR1 at both ends)")
    (footer,) = struct.unpack("<I", tail[:4])
    if footer > min(limits.max_footer_bytes, status.st_size - _SMALLEST):
        most = byte_count(limits.max_footer_bytes)
        raise unreadable(path, f"its footer says {byte_count(footer)}; at most {most} are allowed")
    return status.st_size
