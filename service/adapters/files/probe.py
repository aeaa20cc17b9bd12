"""Tries out, in a folder, every call that writing there needs: before work begins, not after a fit."""

import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.adapters.files.operations import TEMPORARY_SUFFIX

_CONTENT: Final = b"laurel"
_READ_ONLY: Final = 0o444  # as DVC keeps its objects


@dataclass(frozen=True)
class WriteRefused:
    """The first call that the folder's file system refused, and what it said."""

    folder: Path
    call: str
    error: OSError

    def __str__(self) -> str:
        """Say it in one sentence, without advice."""
        why = self.error.strerror or type(self.error).__name__
        return f"{self.folder} cannot be written: {self.call} is refused ({why})"


def probe(folder: Path, *, links: bool = False) -> WriteRefused | None:
    """Try a folder, or the nearest one above it that is there; nothing of the try remains.

    `links`: hard links are made there, which some file systems do not know.
    """
    there = next(above for above in (folder, *folder.parents) if os.path.lexists(above))
    home = there / f".laurel-probe-{secrets.token_hex(6)}{TEMPORARY_SUFFIX}"
    call = "making a directory"
    try:
        for call in _calls(home, links=links):  # noqa: B007 - the one that was tried last
            pass
    except OSError as error:
        return WriteRefused(there, call, error)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return None


def _calls(home: Path, *, links: bool) -> Iterator[str]:
    """Name each call before it is made. Raises OSError."""
    file, other = home / "file", home / "other"
    yield "making a directory"
    home.mkdir()
    yield "writing"
    for path in (file, other):
        path.write_bytes(_CONTENT)
    yield "fsync"
    _sync(file)
    yield "chmod"
    for path in (file, other):
        path.chmod(_READ_ONLY)
    yield "rename over a file"
    file.replace(other)
    if links:
        yield "a hard link"
        file.hardlink_to(other)
    yield "reading"
    _read(other)
    yield "fsync of a directory"
    _sync(home)
    yield "removing"
    file.unlink(missing_ok=True)
    other.unlink()
    home.rmdir()


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _read(path: Path) -> None:
    if path.read_bytes() != _CONTENT:
        raise OSError(0, "it returns other bytes than were written")
