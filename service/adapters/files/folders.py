"""A folder that appears whole or not at all."""

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from service.adapters.files.atomic import sync_folder
from service.adapters.files.errors import disk_errors
from service.adapters.files.operations import FileOperations

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
