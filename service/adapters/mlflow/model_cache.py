"""Model folders on this machine, by the digest that seals their manifest.

Each appears whole and is checked, every byte, at every use: what was damaged is fetched again. A folder that
has not been used for a while makes room when there are many.
"""

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from domain.datasets import seal
from domain.errors import ModelUnusable
from service.adapters.files.atomic import sha256_of
from service.adapters.files.errors import disk_errors
from service.adapters.files.operations import TEMPORARY_SUFFIX

_KEPT: Final = 8  # folders that are never removed, the last used ones
_SAFE_SECONDS: Final = 300.0  # longest time from finding a folder to having loaded it
_ABANDONED_SECONDS: Final = 3600.0  # longest time that a download may take


class ModelCache:
    """Raises TryLater `disk_full` or `file_error`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, manifest: Mapping[str, str]) -> Path | None:
        """The folder that holds exactly these files; one that does not any more is removed."""
        folder = self._folder / seal(manifest)
        with disk_errors(folder):
            if not folder.is_dir():
                return None
            try:
                check_files(folder, manifest)
            except (ModelUnusable, FileNotFoundError):
                shutil.rmtree(folder, ignore_errors=True)
                return None
            os.utime(folder)
        return folder

    @contextmanager
    def making(self) -> Iterator[Path]:
        """Lend an empty folder; what is not published from it is removed."""
        with disk_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary = Path(mkdtemp(prefix=".", suffix=TEMPORARY_SUFFIX, dir=self._folder))
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def publish(self, temporary: Path, manifest: Mapping[str, str]) -> Path:
        """Make a folder from `making`, whose files were checked, the one that `find` finds."""
        final = self._folder / seal(manifest)
        with disk_errors(final):
            # Fails when somebody was first: theirs has the same bytes, or find says otherwise.
            with suppress(OSError):
                temporary.rename(final)
            if self.find(manifest) is None:
                temporary.rename(final)
            self._sweep(time.time())
        return final

    def _sweep(self, now: float) -> None:
        """Remove what nobody has used for a while, and what a crash left half done."""
        ages = {path: now - path.stat().st_mtime for path in self._folder.iterdir() if path.is_dir()}
        whole = sorted((path for path in ages if not path.name.startswith(".")), key=ages.__getitem__)
        old = [path for path in whole[_KEPT:] if ages[path] > _SAFE_SECONDS]
        abandoned = [path for path in ages if path.name.startswith(".") and ages[path] > _ABANDONED_SECONDS]
        for path in old + abandoned:
            shutil.rmtree(path, ignore_errors=True)


def check_files(folder: Path, manifest: Mapping[str, str]) -> None:
    """See that a folder holds exactly the manifest's files with their digests, and no link.

    Raises ModelUnusable, and OSError of the disk.
    """
    found = set(_files(folder))
    require_same_files(found, manifest)
    for path, digest in manifest.items():
        require_digest(path, sha256_of(folder / path), digest)


def require_same_files(found: set[str], manifest: Mapping[str, str]) -> None:
    """Refuse files that the manifest does not name, and the lack of those that it names."""
    extra, missing = sorted(found - manifest.keys()), sorted(manifest.keys() - found)
    if extra or missing:
        raise ModelUnusable(
            "model_files_differ",
            "the model's files are not those of its manifest",
            extra=extra[:20],
            missing=missing[:20],
        )


def require_digest(path: str, found: str, wanted: str) -> None:
    """Refuse a file whose bytes are not those that were recorded."""
    if found != wanted:
        raise ModelUnusable(
            "model_digest_mismatch",
            f"the model's file {path} is not the recorded one",
            path=path,
            found=found,
            recorded=wanted,
        )


def _files(folder: Path) -> Iterator[str]:
    for root, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(root, name)
            if path.is_symlink():
                raise ModelUnusable("model_unsafe_path", f"{path.name} is a link, not a file", path=path.name)
        yield from (Path(root, name).relative_to(folder).as_posix() for name in names)
