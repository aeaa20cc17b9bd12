"""The remote: a folder, or a URL that DVC can push to. What it is said to hold is looked at, every time.

What goes wrong there is sorted by the reaction that it asks for.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import urlsplit

from dvc.config import ConfigError as RemoteConfigError
from dvc.fs import (
    AuthError,
    ConfigError,
    FileSystem,
    LocalFileSystem,
    RemoteMissingDepsError,
    get_cloud_fs,
    localfs,
)
from dvc_data.hashfile.db import HashFileDB, get_odb

from domain.datasets import RemoteObservation
from domain.errors import LaurelError, NeverRetry, TryLater
from service.adapters.dvc.addresses import absolute, shown
from service.adapters.dvc.cache import READ_ONLY, DvcCache, FileObject, FolderObject
from service.adapters.files.atomic import AtomicFiles, sha256_of, sweep
from service.adapters.files.errors import NO_ROOM, sorted_error


def unavailable(url: str, detail: str, **facts: object) -> TryLater:
    """The remote does not take what it is given, or does not show it afterwards."""
    return TryLater(
        "dvc_remote_unavailable",
        f"the DVC remote {shown(url)} is not available: {detail}",
        waiting_on="dvc_remote",
        remote=shown(url),
        detail=detail,
        **facts,
    )


@contextmanager
def remote_errors(url: str) -> Iterator[None]:
    """Translate whatever a remote's file system raises; the original stays the cause."""
    try:
        yield
    except LaurelError as error:
        if error.reason == "file_error":
            raise unavailable(url, error.message) from error
        raise
    except (
        ImportError,
        RemoteMissingDepsError,
        ConfigError,
        RemoteConfigError,
        NotImplementedError,
    ) as error:
        raise NeverRetry(
            "dvc_remote_unusable",
            f"the DVC remote {shown(url)} cannot be used: {_first_line(error).replace(url, shown(url))}",
            remote=shown(url),
        ) from error
    except OSError as error:
        if error.errno in NO_ROOM:
            raise sorted_error(error, Path(url)) from error
        raise unavailable(url, type(error).__name__) from error
    except AuthError as error:
        raise unavailable(url, "it refuses our credentials") from error
    except Exception as error:  # each kind of remote has a client, and errors, of its own
        raise unavailable(url, type(error).__name__) from error


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:300] if lines else type(error).__name__


Object = FileObject | FolderObject

_ABANDONED_SECONDS: Final = 3600.0  # longest time that one upload may take
_ABSENT: Final = 404
_ID_FILE: Final = "laurel-remote-id"
_ID: Final = re.compile(rb"[0-9A-Za-z-]{1,64}")
# Waits for one answer.
_SECONDS: Final = 5
_TIMEOUTS: Final[Mapping[str, Mapping[str, object]]] = {
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

    def __init__(self, url: str, notes: Path, options: Mapping[str, object] | None = None) -> None:
        self.url = absolute(url)
        self._note = notes / hashlib.sha256(self.url.encode()).hexdigest()[:32]
        with remote_errors(self.url):
            self._fs, path = _file_system(self.url, tuple((options or {}).items()))
            self._id_file = self._fs.join(path, _ID_FILE)
            self._objects: HashFileDB = get_odb(
                self._fs, self._fs.join(path, "files", "md5"), hash_name="md5"
            )

    def push(self, objects: Sequence[Object], source: DvcCache) -> None:
        """Upload what is not there, byte for byte as recorded, and see that everything is there then."""
        with remote_errors(self.url):
            self._require_not_vanished()
            missing = [thing for thing in objects if not self._holds(thing)]
            if missing:
                self._upload([thing.oid for thing in missing], source)
                self._require_held(missing)
            self._remember()

    def look(self, objects: Sequence[str], add_id: str | None = None) -> RemoteObservation:
        """Read the ids that it bears, one a line, and ask for some objects; `add_id` is added.

        Several models may share a remote, and each has an id of its own.
        """
        with remote_errors(self.url):
            ids = self._ids()
            if add_id is not None and add_id not in ids:
                self._write_ids([*ids, add_id])
                ids = self._ids()
            missing = [oid for oid in objects if not self._shows(oid)]
            return RemoteObservation(ids=tuple(ids), asked=len(objects), missing=tuple(missing))

    def _ids(self) -> list[str]:
        self._forget_listings()
        try:
            written = self._fs.read_bytes(self._id_file)
        except FileNotFoundError as error:
            self._require_an_answer(error)
            return []
        return [line.decode() for line in written.split() if _ID.fullmatch(line)]

    def _write_ids(self, ids: Iterable[str]) -> None:
        data = "".join(f"{line}\n" for line in ids).encode()
        if self._is_local:
            AtomicFiles().replace(Path(self._id_file), data)
            return
        with TemporaryDirectory(prefix="laurel-remote-id-") as folder:
            file = Path(folder, "id")
            file.write_bytes(data)
            self._fs.put_file(str(file), self._id_file)

    def _shows(self, oid: str) -> bool:
        try:
            self._fs.info(self._objects.oid_to_path(oid))
        except FileNotFoundError as error:
            self._require_an_answer(error)
            return False
        return True

    def _require_an_answer(self, error: FileNotFoundError) -> None:
        if _is_an_outage(error.__cause__):
            why = type(error.__cause__).__name__
            raise unavailable(self.url, f"it does not list its objects ({why})") from error

    def _forget_listings(self) -> None:
        if not self._is_local:
            self._fs.fs.invalidate_cache()

    def _upload(self, oids: list[str], source: DvcCache) -> None:
        if self._is_local:
            for oid in oids:
                _share(Path(source.path(oid)), Path(self._objects.oid_to_path(oid)))
        else:
            self._objects.add([source.path(oid) for oid in oids], localfs, oids, check_exists=False)

    def _require_held(self, objects: Iterable[Object]) -> None:
        """Believe no upload that is said to have succeeded."""
        self._forget_listings()
        lost = [thing.oid for thing in objects if not self._holds(thing)]
        if lost:
            raise unavailable(
                self.url, "it accepted objects and does not return them, or returns others", objects=lost
            )

    def _holds(self, thing: Object) -> bool:
        """Look at one object: at every byte where it is in a folder, else at its size."""
        path = self._objects.oid_to_path(thing.oid)
        try:
            if self._is_local:
                return _is_whole(Path(path), thing)
            size = self._fs.info(path).get("size")
        except FileNotFoundError as error:
            self._require_an_answer(error)
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
                "it held objects before and is now missing; mount or restore it, "
                f"or remove {self._note} to begin an empty one",
            )

    def _remember(self) -> None:
        if not self._note.exists():
            AtomicFiles().replace(self._note, b"")


@cache
def _file_system(url: str, options: tuple[tuple[str, object], ...]) -> tuple[FileSystem, str]:
    """Open DVC's file system of a remote, once per process: it keeps connections."""
    wanted = {**_TIMEOUTS.get(urlsplit(url).scheme, {}), **dict(options)}
    kind, config, path = get_cloud_fs(None, url=url, **wanted)
    opened = kind(**config)
    opened.SESSION_RETRIES = 1  # DVC's http client would try five times, a 404 too; the runner tries again
    return opened, path


def _is_an_outage(cause: BaseException | None) -> bool:
    """Say whether "not found" is only what DVC's http client makes of a time-out, a 403 or a 500."""
    if isinstance(cause, FileNotFoundError):
        return False
    return isinstance(cause, OSError) or getattr(cause, "status", _ABSENT) != _ABSENT


def _is_whole(path: Path, thing: Object) -> bool:
    if isinstance(thing, FolderObject):
        return bool(path.read_bytes() == thing.tree.as_bytes())
    return path.stat().st_size == thing.size and sha256_of(path) == thing.sha256


def _share(source: Path, target: Path) -> None:
    """Have an object of the cache in a folder to stay there: DVC's own copy would not wait for the disk.

    Objects are read-only, and replaced, never written to: on one file system, both names may be of one file.
    """
    AtomicFiles().share(source, target)
    target.chmod(READ_ONLY)
    sweep(target.parent, older_than_seconds=_ABANDONED_SECONDS)
