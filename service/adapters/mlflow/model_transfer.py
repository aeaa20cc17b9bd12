"""A model's files into an artifact store and out of it, held against its manifest both times."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from domain.datasets import seal
from domain.errors import ModelUnusable, NeverRetry, TryLater
from domain.values import Sha256
from domain.wording import byte_count
from service.adapters.files.atomic import AtomicFiles
from service.adapters.files.errors import disk_errors
from service.adapters.files.operations import FileOperations
from service.adapters.mlflow.access import MlflowAccess, require_source
from service.adapters.mlflow.artifact_store import ArtifactStore, holds, open_store, put_surely
from service.adapters.mlflow.errors import unavailable
from service.adapters.mlflow.model_cache import ModelCache, require_digest, require_same_files
from service.adapters.mlflow.model_origin import location_of
from service.adapters.mlflow.package_format import DESCRIPTION

LARGEST_MODEL: Final = 4 * 1024**3  # bytes


class FetchedModel(NamedTuple):
    """A checked folder, the sha256 of each of its files by relative path, and the digest that seals them."""

    folder: Path
    manifest: dict[str, str]
    digest: str


def upload_model(
    folder: Path,
    artifact_uri: str,
    manifest: Mapping[str, str],
    access: MlflowAccess,
    cache: ModelCache,
    *,
    arrived: Mapping[str, Sha256] | None = None,
) -> None:
    """Upload the manifest's files, see that all of them arrived whole, and keep a copy in the cache.

    Safe to repeat: what is there is not sent again. `arrived` are the digests of all that can be there; None:
    nobody knows, and it is looked for. Raises TryLater `mlflow_unavailable`, `mlflow_foreign_answer` or
    `upload_incomplete`, NeverRetry `upload_mixed` or `upload_refused`.
    """
    sizes = {
        path: _size(folder / path) for path in sorted(manifest, key=lambda path: (path == DESCRIPTION, path))
    }
    with open_store(artifact_uri, access) as store:
        there = _arrived(store, sizes, manifest) if arrived is None else arrived
        for path in sizes:
            if there.get(path) != manifest[path]:
                put_surely(store, path, folder / path)
        _require_arrived(sizes, store.sizes())
    _keep(folder, manifest, cache)


def fetch_model(
    source: str,
    manifest: Mapping[str, str] | None,
    access: MlflowAccess,
    cache: ModelCache,
    largest_bytes: int = LARGEST_MODEL,
    *,
    location: str | None = None,
) -> FetchedModel:
    """Bring a registered version's files into the cache, unless they are there, and check every byte.

    Without a manifest (a version that others made) whatever stands there is taken and described. With
    `location`, where the source's own files are, those are looked at even when the cache holds such files:
    they may be of another source. Raises ModelUnusable when the files are not there, are not the recorded
    ones, or are too large.
    """
    if manifest is not None and location is None and (folder := cache.find(manifest)) is not None:
        return FetchedModel(folder, dict(manifest), seal(manifest))
    with open_store(location or _location(source, access), access) as store:
        sizes = store.sizes()
        _require_fetchable(source, sizes, manifest, largest_bytes)
        with cache.making() as temporary:
            digests = {path: _download(store, path, size, temporary / path) for path, size in sizes.items()}
            for path, digest in (manifest or {}).items():
                require_digest(path, digests[path], digest)
            return FetchedModel(cache.publish(temporary, digests), digests, seal(digests))


def _size(file: Path) -> int:
    with disk_errors(file):
        return file.stat().st_size


def _arrived(
    store: ArtifactStore, sizes: Mapping[str, int], manifest: Mapping[str, Sha256]
) -> Mapping[str, Sha256]:
    """What an earlier attempt has brought there, to the last byte."""
    found = store.sizes()
    whole = (path for path, size in sizes.items() if found.get(path) == size)
    return {path: manifest[path] for path in whole if holds(store, path, manifest[path])}


def _require_arrived(sent: Mapping[str, int], found: Mapping[str, int]) -> None:
    if extra := sorted(found.keys() - sent.keys()):
        raise NeverRetry(
            "upload_mixed", "the model's store holds files that do not belong to the model", extra=extra[:20]
        )
    if bad := [path for path, size in sent.items() if found.get(path) != size]:
        raise TryLater(
            "upload_incomplete",
            f"{', '.join(bad)} did not arrive completely in the model's store",
            waiting_on="mlflow",
            files=bad,
        )


def _keep(folder: Path, manifest: Mapping[str, str], cache: ModelCache) -> None:
    """Put what was uploaded into the cache: if it wins, it is the champion that is fetched next."""
    if cache.find(manifest) is not None:
        return
    files = _cache_files()
    with cache.making() as temporary:
        for path, digest in manifest.items():
            require_digest(path, files.copy(folder / path, temporary / path), digest)
        cache.publish(temporary, manifest)


def _location(source: str, access: MlflowAccess) -> str:
    require_source(source)
    return location_of(source, access)


def _require_fetchable(
    source: str, sizes: Mapping[str, int], manifest: Mapping[str, str] | None, largest_bytes: int
) -> None:
    """Look at the listing before anything is fetched."""
    if not sizes:
        raise ModelUnusable("model_missing", f"{source} has no files", source=source)
    if manifest is not None:
        require_same_files(set(sizes), manifest)
    if unsafe := [path for path in sizes if not _is_safe(path)]:
        raise ModelUnusable("model_unsafe_path", "the model has a file outside its folder", path=unsafe[0])
    if (total := sum(sizes.values())) > largest_bytes:
        raise ModelUnusable(
            "model_too_large",
            f"the model has {byte_count(total)}; at most {byte_count(largest_bytes)} are allowed",
            bytes=total,
            allowed=largest_bytes,
        )


def _is_safe(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and ".." not in parts and not path.startswith("/") and path.isprintable()


def _download(store: ArtifactStore, path: str, size: int, to: Path) -> str:
    """Fetch one file of a known size; return its sha256."""
    with _cache_files().draft(to) as draft:
        for block in store.read(path):
            draft.write(block)
            if draft.size > size:
                break
        if draft.size != size:  # the listing was made just now: the transfer is at fault, not the model
            raise unavailable("GET artifacts", f"{path} has {size} bytes, {draft.size} came")
        draft.replace()
        return draft.sha256


def _cache_files() -> AtomicFiles:
    """A writer that does not wait for the disk: what a power cut spoils here is noticed and fetched again."""
    return AtomicFiles(FileOperations(fsync=lambda _: None))
