"""Room on the disk for one job's numbers: a file without a name, so that whoever dies leaves nothing."""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from service.adapters.files.atomic import AtomicFiles
from service.adapters.files.errors import disk_errors
from service.adapters.files.operations import TEMPORARY_SUFFIX


class Scratch:
    """Bytes that are appended, and read again, until it is closed. Nothing is made before the first write.

    The folder is one job's own. A kill between the making of the file and the removal of its name leaves an
    empty one, which the next scratch or `sweep` removes. Methods raise TryLater `disk_full` or `file_error`.
    """

    def __init__(self, folder: Path, files: AtomicFiles | None = None) -> None:
        self._folder = folder
        self._files = files or AtomicFiles()
        self._fd = -1
        self._size = 0

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the room back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def write(self, data: memoryview) -> int:
        """Append; return the place that `read` asks for."""
        place = self._size
        with disk_errors(self._folder):
            if self._fd < 0:
                self._fd = self._opened()
            view, done = data.cast("B"), 0
            while done < len(view):
                done += self._files.operations.write(self._fd, view[done:])
        self._size += done
        return place

    def read(self, place: int, size: int) -> bytes:
        """Read what was written."""
        with disk_errors(self._folder):
            data = os.pread(self._fd, size, place)
        if len(data) < size:
            raise RuntimeError(f"{len(data)} of {size} bytes were left in a scratch file: a defect")
        return data

    def _opened(self) -> int:
        self._files.make_folder(self._folder)
        for leftover in self._folder.glob(f".scratch.*{TEMPORARY_SUFFIX}"):
            leftover.unlink(missing_ok=True)
        path = self._folder / f".scratch.{secrets.token_hex(6)}{TEMPORARY_SUFFIX}"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            self._files.operations.unlink(path)
        except OSError:
            os.close(fd)
            with suppress(OSError):
                path.unlink()
            raise
        return fd
