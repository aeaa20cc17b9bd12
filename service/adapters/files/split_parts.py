"""The parts of a split on disk: held against their digests, and published for others to look at.

A file that others may write to meanwhile is copied as the bytes of one moment, or not at all.
"""

import hashlib
import shutil
import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

from domain.datasets import DatasetFile, SplitParts
from domain.errors import NeverRetry
from service.adapters.files.atomic import AtomicFiles, Draft, sha256_of
from service.adapters.files.errors import disk_errors

MASTER: Final = "master.parquet"
SPLIT: Final = "split"  # the folder in a run's own that mirrors `splits/vN/`
TRAIN_FILE: Final = "train.parquet"
OPTIONAL_TESTS: Final = "optional_tests"


def mismatch(role: str, path: Path, why: str, **facts: object) -> NeverRetry:
    """Say that a file is not what was recorded; `role` is reference, or any part that a run owns."""
    reason = "reference_digest_mismatch" if role == "reference" else "split_digest_mismatch"
    recorded = role == "reference" and facts.get("expected") is not None
    fix = "; restore the file, or make a new split version" if recorded else ""
    return NeverRetry(reason, f"{role} {path}: {why}{fix}", part=role, path=str(path), why=why, **facts)


def digest_of(role: str, path: Path, expected: str | None) -> tuple[str, int]:
    """Return a file's sha256 and size. Raises NeverRetry when it is missing, a link, or not as `expected`."""
    with disk_errors(path):
        try:
            status = path.lstat()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise mismatch(role, path, "it is missing", expected=expected) from error
        if not stat.S_ISREG(status.st_mode):
            raise mismatch(role, path, "it is a link, or not a regular file", expected=expected)
        found = sha256_of(path)
    if expected is not None and found != expected:
        why = "its bytes are not those of its first use"
        raise mismatch(role, path, why, expected=expected, found=found, bytes=status.st_size)
    return found, status.st_size


def owner_of(run_folder: Path) -> str:
    """Name the drafts of one run, so that its repeat finds them, in shared folders too."""
    return hashlib.sha256(str(run_folder).encode()).hexdigest()[:12]


def publish_split(parts: SplitParts, folder: Path, files: AtomicFiles | None = None) -> None:
    """Copy train and optional tests to `folder` (`splits/vN`), each file whole, and remove tests that left.

    Nothing is trained from there. Safe to repeat. Raises NeverRetry `split_digest_mismatch`, TryLater.
    """
    writer, owner = files or AtomicFiles(), owner_of(Path(parts.master.path).parent)
    _publish(parts.train, "train", folder / TRAIN_FILE, owner, writer)
    for name, file in parts.optional_tests.items():
        _publish(file, name, folder / OPTIONAL_TESTS / f"{name}.parquet", owner, writer)
    remove_other_tests(folder, parts.optional_tests, writer)


def _publish(file: DatasetFile, role: str, path: Path, owner: str, files: AtomicFiles) -> None:
    with files.draft(path, owner) as draft:
        draft.take(Path(file.path))
        if draft.sha256 != file.sha256:
            why = "its bytes are not those that were split"
            raise mismatch(role, Path(file.path), why, expected=file.sha256, found=draft.sha256)
        draft.replace()


def remove_other_tests(folder: Path, names: Collection[str], files: AtomicFiles) -> None:
    """Remove the optional tests that do not belong (any more)."""
    with suppress(FileNotFoundError):
        for path in sorted((folder / OPTIONAL_TESTS).glob("*.parquet")):
            if path.stem not in names:
                files.remove(path)


def remove_own_parts(run_folder: Path) -> None:
    """Remove the copy of the master and the parts from a run's own folder, as far as they are there."""
    (run_folder / MASTER).unlink(missing_ok=True)
    shutil.rmtree(run_folder / SPLIT, ignore_errors=True)


_ATTEMPTS: Final = 3


def copy_snapshot(source: Path, draft: Draft) -> None:
    """Copy `source`, and read it again: only if it has the same bytes still is the copy taken.

    After three attempts raises NeverRetry `master_changing`. Raises OSError when the disk fails.
    """
    for _ in range(_ATTEMPTS):
        draft.take(source)
        if sha256_of(source) == draft.sha256:
            return
    raise NeverRetry(
        "master_changing",
        f"{source} changed each of {_ATTEMPTS} times while it was read; replace it in one rename",
        path=str(source),
        attempts=_ATTEMPTS,
    )
