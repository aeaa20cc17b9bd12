"""The remote: a folder, or a URL that DVC can push to. What it is said to hold is looked at, every time."""

import hashlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from dvc.fs import LocalFileSystem, get_cloud_fs, localfs
from dvc_data.hashfile.db import get_odb

from service.adapters.dvc.cache import DvcCache
from service.adapters.dvc.errors import remote_errors, unavailable
from service.adapters.dvc.objects import FileObject, FolderObject
from service.adapters.files.atomic import AtomicFiles, sha256_of

Object = FileObject | FolderObject

_ABANDONED_SECONDS: Final = 3600.0  # longest time that one upload may take
# Waits for one answer; DVC's clients try up to five times, so silence ends within half a minute.
_SECONDS: Final = 5
_TIMEOUTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "http": {"connect_timeout": _SECONDS, "read_timeout": _SECONDS},
    "https": {"connect_timeout": _SECONDS, "read_timeout": _SECONDS},
    "s3": {"connect_timeout": _SECONDS, "read_timeout": _SECONDS},
    "ssh": {"timeout": _SECONDS},
}


class DvcRemote:
    """Raises TryLater `dvc_remote_unavailable` or `disk_full`, NeverRetry `dvc_remote_unusable`.

    `notes` is a folder of this machine, where it is noted that the remote was used before: a folder that
    vanished (a disk that is not mounted) must not be taken for a new one. `options` are DVC's options of a
    remote, such as `{"method": "PUT"}` for http.
    """

    def __init__(self, url: str, notes: Path, options: Mapping[str, Any] | None = None) -> None:
        self.url = url
        self._note = notes / hashlib.sha256(url.encode()).hexdigest()[:32]
        with remote_errors(url):
            scheme = url.partition("://")[0] if "://" in url else ""
            kind, config, path = get_cloud_fs(None, url=url, **_TIMEOUTS.get(scheme, {}), **(options or {}))
            self._fs: Any = kind(**config)
            self._objects: Any = get_odb(self._fs, self._fs.join(path, "files", "md5"), hash_name="md5")

    def push(self, objects: Sequence[Object], cache: DvcCache) -> None:
        """Upload what is not there, byte for byte as recorded, and see that everything is there then."""
        with remote_errors(self.url):
            self._require_not_vanished()
            missing = [thing for thing in objects if not self._holds(thing)]
            if missing:
                self._upload([thing.oid for thing in missing], cache)
                self._require_held(missing)
            self._remember()

    def _upload(self, oids: list[str], cache: DvcCache) -> None:
        paths = [cache.path(oid) for oid in oids]
        self._objects.add(paths, localfs, oids, check_exists=False)
        if self._is_local:
            files = {Path(self._objects.oid_to_path(oid)) for oid in oids}
            folders = {path.parent for path in files}
            _to_disk(files | folders)
            _sweep(folders)

    def _require_held(self, objects: Iterable[Object]) -> None:
        """Believe no upload that is said to have succeeded."""
        if not self._is_local:
            self._fs.fs.invalidate_cache()
        lost = [thing.oid for thing in objects if not self._holds(thing)]
        if lost:
            raise unavailable(
                self.url, "it took objects and does not show them, or shows others", objects=lost
            )

    def _holds(self, thing: Object) -> bool:
        """Look at one object: at every byte where it is in a folder, else at its size."""
        path = self._objects.oid_to_path(thing.oid)
        try:
            if self._is_local:
                return _is_whole(Path(path), thing)
            size = self._fs.info(path).get("size")
        except FileNotFoundError:
            return False
        expected = thing.size if isinstance(thing, FileObject) else len(thing.tree.as_bytes())
        return size in {None, expected}

    @property
    def _is_local(self) -> bool:
        return isinstance(self._fs, LocalFileSystem)

    def _require_not_vanished(self) -> None:
        if self._is_local and self._note.exists() and not Path(self._objects.path).is_dir():
            raise unavailable(
                self.url,
                "it held objects before and is not there now; mount or restore it, "
                f"or remove {self._note} to begin an empty one",
            )

    def _remember(self) -> None:
        if not self._note.exists():
            AtomicFiles().replace(self._note, b"")


def _is_whole(path: Path, thing: Object) -> bool:
    if isinstance(thing, FolderObject):
        return bool(path.read_bytes() == thing.tree.as_bytes())
    return path.stat().st_size == thing.size and sha256_of(path) == thing.sha256


def _sweep(folders: set[Path]) -> None:
    """Remove uploads of DVC's that a crash left half made, where we have just been."""
    for path in (path for folder in folders for path in folder.glob(".*.tmp")):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                path.unlink()


def _to_disk(paths: set[Path]) -> None:
    """Make new objects outlive a power cut: they may be the only copy of these bytes."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
