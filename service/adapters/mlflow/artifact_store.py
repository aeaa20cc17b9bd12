"""Artifact stores, one way for all: put a file, list files with their sizes, read one, probe the store.

What the tracking server serves itself goes over its REST API; any other store (s3://, file:) goes through the
repositories of MLflow's library. Both are for child processes: they block.

The server is asked for the addresses of artifacts here: MLflow's library would ask by itself, and then go
wherever the answer leads, with our credentials.
"""

import hashlib
import posixpath
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, Protocol, TypeVar
from urllib.parse import unquote, urlsplit

from domain.errors import LaurelError, ModelUnusable, NeverRetry, TryLater
from service.adapters.files.atomic import chunks, sha256_of
from service.adapters.mlflow.access import MlflowAccess, served_path
from service.adapters.mlflow.answer_types import ArtifactFile, ModelInfo
from service.adapters.mlflow.errors import Sent, is_unclear, read_library_error, unavailable, well_formed
from service.adapters.mlflow.sync_client import SyncClient
from service.processes.threads import in_thread

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

_MOST_STEPS: Final = 5
_LOGGED_MODEL: Final = re.compile(r"m-[0-9a-f]{32}")


def store_location(artifact_uri: str, client: SyncClient) -> str:
    """Follow `runs:/` and `models:/` to the place of the files; any other address is the place itself.

    Raises ModelUnusable `model_source_refused` for one that leads nowhere, NeverRetry, TryLater.
    """
    for _ in range(_MOST_STEPS):
        scheme = urlsplit(artifact_uri).scheme
        if scheme not in _STEPS:
            return artifact_uri
        first, _, rest = urlsplit(artifact_uri).path.strip("/").partition("/")
        with well_formed(f"the place of {scheme}:/"):
            artifact_uri = _STEPS[scheme](unquote(first), rest, client)
    raise ModelUnusable("model_source_refused", "the address of the artifacts leads in a circle")


def _of_run(run_id: str, path: str, client: SyncClient) -> str:
    """A logged model of the run by that name goes before what the run holds itself."""
    run = client.get_json("runs/get", run_id=run_id)["run"]
    name, _, below = path.partition("/")
    for output in reversed(run.get("outputs", {}).get("model_outputs", [])):
        model = _logged_model(output["model_id"], client)
        if model.get("name") == name:
            return _joined(model["artifact_uri"], below)
    return _joined(run["info"]["artifact_uri"], path)


def _of_model(name: str, rest: str, client: SyncClient) -> str:
    version, _, below = rest.partition("/")
    if _LOGGED_MODEL.fullmatch(name):
        return _joined(_logged_model(name, client)["artifact_uri"], rest)
    if not version.isdigit():
        raise ModelUnusable("model_source_refused", "the version's source names no version of a model")
    place = client.get_json("model-versions/get-download-uri", name=name, version=version)
    return _joined(place["artifact_uri"], below)


def _logged_model(model_id: str, client: SyncClient) -> ModelInfo:
    return client.get_json(f"logged-models/{model_id}")["model"]["info"]


def _joined(root: str, path: str) -> str:
    return f"{str(root).rstrip('/')}/{path}" if path else str(root)


_STEPS: Final = {"runs": _of_run, "models": _of_model}


T = TypeVar("T")

_CLIENTS_OWN_SECONDS: Final = (
    60.0  # what the clients of such stores wait for one answer, before they try again
)
_MOST_FILES: Final = 1000  # no model of anyone's has so many; a listing without end is refused


class ArtifactStore(Protocol):
    """Files below one root, by relative path.

    Raises TryLater `mlflow_unavailable` or `mlflow_foreign_answer`, NeverRetry `upload_refused` and others.
    """

    def put(self, path: str, file: Path) -> None:
        """Store a local file of the same name. Safe to repeat."""

    def sizes(self) -> dict[str, int]:
        """Every file with its size in bytes; empty when nothing is there."""

    def read(self, path: str) -> Iterator[bytes]:
        """The bytes of one file, in blocks."""

    def remove(self, path: str) -> None:
        """Remove one file. Safe to repeat."""


class ServedStore:
    """A root that the tracking server serves."""

    def __init__(self, client: SyncClient, root: str) -> None:
        self._client = client
        self._root = root

    def put(self, path: str, file: Path) -> None:
        """Store a local file."""
        with file.open("rb") as content:
            sent = Sent(path, file.stat().st_size)
            self._client.put_artifact(posixpath.join(self._root, path), content, sent)

    def sizes(self) -> dict[str, int]:
        """List the root and everything below it."""
        return _walk(self._list)

    def read(self, path: str) -> Iterator[bytes]:
        """Stream one file."""
        return self._client.get_artifact(posixpath.join(self._root, path))

    def remove(self, path: str) -> None:
        """Remove one file."""
        self._client.delete_artifact(posixpath.join(self._root, path))

    def _list(self, folder: str) -> list[tuple[str, int | None]]:
        answer = self._client.list_artifacts(posixpath.join(self._root, folder))
        with well_formed("GET artifacts"):
            return [_entry(folder, info) for info in answer.get("files", [])]


class LibraryStore:
    """A root in a store that MLflow's library knows; its clients have no deadline for a whole transfer."""

    def __init__(self, repository: "ArtifactRepository", allowed_seconds: Callable[[int], float]) -> None:
        self._repository = repository
        self._allowed = allowed_seconds
        self._listed: dict[str, int] = {}

    def put(self, path: str, file: Path) -> None:
        """Store a local file."""
        folder = posixpath.dirname(path) or None
        self._in_time(
            "store an artifact",
            lambda: self._repository.log_artifact(str(file), folder),
            file.stat().st_size,
        )

    def sizes(self) -> dict[str, int]:
        """List the root and everything below it."""
        self._listed = _walk(self._list)
        return self._listed

    def read(self, path: str) -> Iterator[bytes]:
        """Fetch one file into a temporary folder and read it there."""
        with TemporaryDirectory(prefix="laurel-artifact-", ignore_cleanup_errors=True) as folder:
            copy = self._in_time(
                "fetch an artifact",
                lambda: self._repository.download_artifacts(path, folder),
                self._listed.get(path, 0),
            )
            yield from chunks(Path(copy))

    def remove(self, path: str) -> None:
        """Remove one file."""
        self._in_time("remove an artifact", lambda: self._repository.delete_artifacts(path))

    def _list(self, folder: str) -> list[tuple[str, int | None]]:
        infos = self._in_time("list artifacts", lambda: self._repository.list_artifacts(folder or None))
        return [(info.path, None if info.is_dir else info.file_size or 0) for info in infos]

    def _in_time(self, doing: str, work: Callable[[], T], size: int = 0) -> T:
        """Do it in a thread, which is left behind when it takes too long for so many bytes."""
        seconds = _CLIENTS_OWN_SECONDS + self._allowed(size)
        try:
            return in_thread(lambda: _sorted(doing, work)).result(seconds)
        except TimeoutError:
            raise unavailable(doing, f"not done within {seconds:.0f} s") from None


@contextmanager
def open_store(artifact_uri: str, access: MlflowAccess) -> Iterator[ArtifactStore]:
    """Lend the store that holds `artifact_uri`.

    Raises ModelUnusable `model_source_refused` for a server that is not the tracking server.
    """
    with SyncClient(access) as client:
        location = store_location(artifact_uri, client)
        root = served_path(location, access.url)
        yield (
            LibraryStore(_repository(location, access), access.allowed_seconds)
            if root is None
            else ServedStore(client, root)
        )


def put_surely(store: ArtifactStore, path: str, file: Path) -> None:
    """Store a file. After an unclear answer, which a proxy may lose or delay, look whether it arrived."""
    try:
        store.put(path, file)
    except TryLater as error:
        if not is_unclear(error) or not _arrived(store, path, file):
            raise


def holds(store: ArtifactStore, path: str, sha256: str) -> bool:
    """True when the store has these bytes there: a file of another fit may have the same size."""
    digest = hashlib.sha256()
    for block in store.read(path):
        digest.update(block)
    return digest.hexdigest() == sha256


def _arrived(store: ArtifactStore, path: str, file: Path) -> bool:
    with suppress(TryLater):
        return store.sizes().get(path) == file.stat().st_size and holds(store, path, sha256_of(file))
    return False


def _repository(artifact_uri: str, access: MlflowAccess) -> "ArtifactRepository":
    # Loaded only where it is needed: the served path does without, and an import costs seconds.
    from mlflow.store.artifact.artifact_repository_registry import (  # noqa: PLC0415 - see above
        get_artifact_repository,
    )

    with _library_errors("open an artifact store"):
        return get_artifact_repository(artifact_uri, tracking_uri=access.url)


def _walk(list_folder: Callable[[str], list[tuple[str, int | None]]]) -> dict[str, int]:
    """List folder after folder; stops at a listing that has no end."""
    found: dict[str, int] = {}
    waiting = [""]
    while waiting:
        for path, size in list_folder(waiting.pop()):
            if size is None:
                waiting.append(path)
            else:
                found[path] = size
            if len(found) + len(waiting) > _MOST_FILES:
                raise NeverRetry("model_too_large", f"a model has more than {_MOST_FILES} files")
    return found


def _entry(folder: str, info: ArtifactFile) -> tuple[str, int | None]:
    path = posixpath.join(folder, info["path"])
    return path, None if info.get("is_dir") else int(info.get("file_size", 0))


def _sorted(doing: str, work: Callable[[], T]) -> T:
    with _library_errors(doing):
        return work()


@contextmanager
def _library_errors(doing: str) -> Iterator[None]:
    """Sort what MLflow's library and the clients below it raise."""
    try:
        yield
    except LaurelError:
        raise
    except ImportError as error:
        raise NeverRetry(
            "artifact_store_unusable",
            f"cannot {doing}: the client of this store is not installed ({error.name})",
            missing=error.name,
        ) from error
    except Exception as error:
        raise read_library_error(doing, error) from error


_NAME: Final = "laurel-doctor"
_CONTENT: Final = b"written by laurel doctor, and removed again\n"


def probe_artifacts(artifact_uri: str, access: MlflowAccess) -> None:
    """Write, read and remove a small file below an artifact URI; blocks.

    Raises TryLater `mlflow_unavailable` and others of the store.
    """
    with TemporaryDirectory(prefix="laurel-probe-") as folder, open_store(artifact_uri, access) as store:
        file = Path(folder, _NAME)
        file.write_bytes(_CONTENT)
        store.put(_NAME, file)
        found = b"".join(store.read(_NAME))
        store.remove(_NAME)
    if found != _CONTENT:
        raise unavailable("GET artifacts", f"what was stored below {artifact_uri} came back as another file")
