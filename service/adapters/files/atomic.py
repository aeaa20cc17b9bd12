"""The only writer: a file, or a folder, appears whole or not at all, and stays after a power cut.

Temporary file in the same folder → fsync → rename (or link) → fsync of the folder. A crash leaves at most a
temporary file of a name that `sweep` recognises.
"""

import hashlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from domain.errors import TryLater
from service.adapters.files.errors import disk_errors, sorted_error
from service.adapters.files.operations import TEMPORARY_SUFFIX, FileOperations

_CHUNK = 1 << 20  # bytes read at a time
_LONGEST_STEM = 100  # leaves room for token and suffix in a file name of 255 bytes


class Draft:
    """A file in the making, next to its final path. Write to it as to a file, or to `temporary` by path.

    It counts and digests what goes through `write`. An error of the disk is kept in `error`, since a library
    that writes here may hide it behind its own.
    """

    def __init__(self, path: Path, operations: FileOperations, owner: str = "") -> None:
        self.path = path
        self.temporary = path.with_name(f"{_stem(path, owner)}{secrets.token_hex(6)}{TEMPORARY_SUFFIX}")
        self.size = 0
        self.error: OSError | None = None
        self._operations = operations
        self._sha256 = hashlib.sha256()
        self._fd = os.open(self.temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)

    @property
    def sha256(self) -> str:
        """The digest of what went through `write`."""
        return self._sha256.hexdigest()

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Write all of `data`. Raises OSError."""
        view = memoryview(data).cast("B")
        try:
            done = 0
            while done < len(view):
                done += self._operations.write(self._fd, view[done:])
        except OSError as error:
            self.error = error
            raise
        self._count(view)
        return len(view)

    def _count(self, data: bytes | memoryview) -> None:
        self._sha256.update(data)
        self.size += len(data)

    def take(self, source: Path, heard: Callable[[bytes], object] = lambda _: None) -> None:
        """Take the bytes of a regular file in the place of what was written; `heard` hears each of them.

        Where the file system can, both files share their blocks; elsewhere it is a copy. Raises OSError.
        """
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self.size, self._sha256 = 0, hashlib.sha256()
        shared = self.cloned(source)
        keep: Callable[[bytes], object] = self._count if shared else self.write
        for chunk in chunks(self.temporary if shared else source):
            keep(chunk)
            heard(chunk)

    def cloned(self, source: Path) -> bool:
        """Share the blocks of a file, if the file system can; nothing is digested. Raises OSError."""
        with source.open("rb", buffering=0) as file, suppress(OSError):
            self._operations.clone(self._fd, file.fileno())
            return True
        return False

    def link(self, source: Path) -> bool:
        """Become another name of a file that nobody ever writes to; False where that cannot be.

        Nothing is digested.
        """
        linked = self.temporary.with_name(f".{secrets.token_hex(6)}{TEMPORARY_SUFFIX}")
        try:
            self._operations.link(source, linked)
            self._operations.rename(linked, self.temporary)
        except OSError:
            linked.unlink(missing_ok=True)
            return False
        os.close(self._fd)
        self._fd = os.open(self.temporary, os.O_RDONLY | os.O_CLOEXEC)
        return True

    def flush(self) -> None:
        """Be a file to the libraries that want one; nothing is buffered here."""

    def copy_mode(self, of: Path) -> None:
        """Take the permissions of a file that stood there before: its readers keep their access."""
        with suppress(FileNotFoundError):
            os.fchmod(self._fd, stat.S_IMODE(of.stat().st_mode))

    def replace(self) -> None:
        """Become the file at the final path, in the place of what was there. Raises OSError."""
        self._settle()
        self._operations.rename(self.temporary, self.path)
        self._sync_folder()

    def create_once(self) -> bool:
        """Become the file at the final path unless one is there. False: someone was first, theirs stands.

        A link refuses where a rename would overwrite, so of two racing creators one wins. Raises OSError.
        """
        self._settle()
        try:
            self._operations.link(self.temporary, self.path)
        except FileExistsError:
            return False
        finally:
            self._operations.unlink(self.temporary)
        self._sync_folder()
        return True

    def discard(self) -> None:
        """Let go of the file descriptor and of a temporary file that did not become anything."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        with suppress(OSError):  # gone already, or left for sweep
            self.temporary.unlink()

    def _settle(self) -> None:
        self._operations.fsync(self._fd)
        os.close(self._fd)
        self._fd = -1

    def _sync_folder(self) -> None:
        sync_folder(self.path.parent, self._operations)


class AtomicFiles:
    """Writes files whole. Every method raises TryLater `disk_full` or `file_error`, and leaves old files."""

    def __init__(self, operations: FileOperations | None = None) -> None:
        self.operations = operations or FileOperations()

    @contextmanager
    def draft(self, path: Path, owner: str = "") -> Iterator[Draft]:
        """Lend a draft; unless it was made to `replace` or `create_once`, nothing remains of it.

        An `owner` (a short word) who drafts the same file again removes what a crash left of the time before.
        If that time was not over after all, it fails at its rename, and the file is this time's.
        """
        with disk_errors(path):
            self.make_folder(path.parent)
            if owner:
                _remove_leftovers(path, owner)
            draft = Draft(path, self.operations, owner)
        try:
            with disk_errors(path):
                yield draft
        except Exception as error:
            if draft.error is not None and not isinstance(error, TryLater):
                raise sorted_error(draft.error, path) from error
            raise
        finally:
            draft.discard()

    def replace(self, path: Path, data: bytes) -> str:
        """Put `data` at `path`, keeping the permissions that the old file had; return its sha256."""
        with self.draft(path) as draft:
            draft.write(data)
            draft.copy_mode(path)
            draft.replace()
            return draft.sha256

    def copy(self, source: Path, path: Path) -> str:
        """Copy a file whole; return the sha256 of what was copied."""
        with self.draft(path) as draft:
            draft.take(source)
            draft.replace()
            return draft.sha256

    def share(self, source: Path, path: Path) -> None:
        """Have the bytes of a file at `path` too, without their room on the disk if that can be.

        Both must be files that Laurel alone makes, and never writes to again: where blocks cannot be shared
        they are two names of one file. On another file system, it is a copy.
        """
        with self.draft(path) as draft:
            if not draft.cloned(source) and not draft.link(source):
                draft.take(source)
            draft.replace()

    def remove(self, path: Path) -> None:
        """Remove a file, if it is there, for good."""
        with disk_errors(path), suppress(FileNotFoundError):
            self.operations.unlink(path)
            sync_folder(path.parent, self.operations)

    def make_folder(self, folder: Path) -> None:
        """Make a folder and its parents, each of them there to stay."""
        missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
        for parent in reversed(missing):
            parent.mkdir(exist_ok=True)
            sync_folder(parent.parent, self.operations)


def _stem(path: Path, owner: str) -> str:
    return f".{path.name[:_LONGEST_STEM]}.{owner}{'-' if owner else ''}"


def _remove_leftovers(path: Path, owner: str) -> None:
    for leftover in path.parent.glob(f"{escape(_stem(path, owner))}*{TEMPORARY_SUFFIX}"):
        leftover.unlink(missing_ok=True)


def chunks(path: Path) -> Iterator[bytes]:
    """Read a file in pieces. Raises OSError."""
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes. Raises OSError."""
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path, operations: FileOperations) -> None:
    """Make the names in a folder durable. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        operations.fsync(fd)
    finally:
        os.close(fd)


def sweep(folder: Path, *, older_than_seconds: float, now: float | None = None) -> list[Path]:
    """Remove temporary files that a crash left below `folder`; return them.

    `older_than_seconds` must be longer than any writer may take: a younger one may still be at work. `now`
    is in seconds since the epoch, as a file's times are.
    """
    moment = time.time() if now is None else now
    swept = []
    for path in sorted(_temporaries(folder)):
        with suppress(FileNotFoundError):  # its writer finished just now
            if moment - path.lstat().st_mtime >= older_than_seconds:
                path.unlink()
                swept.append(path)
    return swept


def _temporaries(folder: Path) -> Iterator[Path]:
    """Walk past folders that vanish meanwhile, over which `rglob` would stumble."""
    for root, _, names in os.walk(folder):
        for name in names:
            if name.startswith(".") and name.endswith(TEMPORARY_SUFFIX):
                yield Path(root, name)


_OLD = ".old"
_NEW = ".new"


def publish_folder(
    folder: Path, files: Mapping[str, bytes], operations: FileOperations | None = None
) -> None:
    """Write `files` (relative path → bytes) as `folder`, in the place of a folder that is there.

    Everything is on the disk before the rename. A crash may leave the folder missing, and temporary ones
    beside it, which the next call removes: only one writer may be at work. Raises TryLater `disk_full` or
    `file_error`.
    """
    done = operations or FileOperations()
    with disk_errors(folder):
        _sweep(folder)
        draft = folder.with_name(f".{folder.name}.{secrets.token_hex(6)}{_NEW}")
        for name, data in files.items():
            _write(draft / name, data, done)
        for inner in {(draft / name).parent for name in files} | {draft}:
            sync_folder(inner, done)
        if folder.exists():
            done.rename(folder, folder.with_name(f".{folder.name}.{secrets.token_hex(6)}{_OLD}"))
        done.rename(draft, folder)
        sync_folder(folder.parent, done)
        _sweep(folder)


def _write(path: Path, data: bytes, operations: FileOperations) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        view, done = memoryview(data), 0
        while done < len(view):
            done += operations.write(fd, view[done:])
        operations.fsync(fd)
    finally:
        os.close(fd)


def _sweep(folder: Path) -> None:
    """Remove what an earlier write of this folder left beside it."""
    for suffix in (_OLD, _NEW):
        for left in folder.parent.glob(f".{folder.name}.*{suffix}"):
            shutil.rmtree(left, ignore_errors=True)
