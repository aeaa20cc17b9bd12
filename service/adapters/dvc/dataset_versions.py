"""Version a split's files: into the cache, to the remote, and pointers for people."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from domain.datasets import DatasetHashes, SplitParts, manifest_of, named_files
from domain.points import NO_POINTS, Point, Points
from service.adapters.dvc.addresses import shown
from service.adapters.dvc.cache import DvcCache, FileObject, FolderObject, folder_of
from service.adapters.dvc.remote import DvcRemote
from service.adapters.files.atomic import AtomicFiles
from service.adapters.files.operations import FileOperations


@dataclass(frozen=True)
class Versioning:
    """One run's versioning: what, and where to. The workspace is the run's own, the rest is shared."""

    parts: SplitParts
    workspace: Path
    cache: Path
    remote_url: str
    remote_options: dict[str, object]


@dataclass(frozen=True)
class _Versioned:
    """The objects of a split: each file by part name, and the two folders that users know."""

    files: dict[str, FileObject]
    split: FolderObject
    reference: FolderObject

    @property
    def all(self) -> list[FileObject | FolderObject]:
        """Files first: a folder is there only when its files are."""
        return [*dict.fromkeys(self.files.values()), self.split, self.reference]


def version_parts(job: Versioning, points: Points = NO_POINTS) -> DatasetHashes:
    """Add every part, push what the remote lacks, and see every object there. Safe to repeat.

    Raises TryLater `dvc_remote_unavailable`, `disk_full`, `file_error`; NeverRetry `split_digest_mismatch`
    when a part is not what was split, `dvc_remote_unusable`.
    """
    started = time.perf_counter()
    cache = DvcCache(job.cache)
    cache.sweep()
    versioned = _add(job.parts, cache)
    points.passed(Point.VERSION_AFTER_ADD)
    remote = DvcRemote(job.remote_url, notes_in(job.cache), job.remote_options)
    remote.push(versioned.all, cache)
    points.passed(Point.VERSION_AFTER_PUSH)
    write_pointers(job.workspace, remote.url, _pointers(job.parts, versioned))
    return DatasetHashes(
        dvc_master_hash=versioned.files["master"].oid,
        dvc_split_hash=versioned.split.oid,
        dvc_reference_hash=versioned.reference.oid,
        files={name: file.oid for name, file in versioned.files.items()},
        manifest=manifest_of(job.parts),
        seconds=time.perf_counter() - started,
    )


def notes_in(cache: Path) -> Path:
    """Where this machine notes which remotes it has used."""
    return cache / "laurel" / "remotes-used"


def _add(parts: SplitParts, cache: DvcCache) -> _Versioned:
    """Add the files, and the folders as users know them: `splits/vN` and `reference/tests/vN`."""
    files = {name: cache.add(file) for name, file in named_files(parts).items()}
    tests = {f"optional_tests/{name}.parquet": files[name] for name in parts.optional_tests}
    split = folder_of({"train.parquet": files["train"], **tests})
    reference = folder_of({Path(parts.reference.path).name: files["reference"]})
    for folder in (split, reference):
        cache.add_folder(folder)
    return _Versioned(files, split, reference)


def _pointers(parts: SplitParts, versioned: _Versioned) -> dict[str, FileObject | FolderObject]:
    """Pointers where the data root has the data; the split's version is the reference's folder."""
    name = Path(parts.reference.path).parent.name
    return {
        "processed/master.parquet": versioned.files["master"],
        f"splits/{name}": versioned.split,
        f"reference/tests/{name}": versioned.reference,
    }


def write_pointers(
    workspace: Path, remote_url: str, pointers: Mapping[str, FileObject | FolderObject]
) -> None:
    """Write `<path>.dvc` for each path, and DVC's configuration: the folder is a workspace of its own.

    A copy for people: what a run rests on is in its record. Safe to repeat. Raises TryLater `disk_full`.
    """
    files = {".dvc/config": _config(remote_url)} | {
        f"{path}.dvc": _pointer(Path(path).name, thing) for path, thing in pointers.items()
    }
    writer = AtomicFiles(FileOperations(fsync=lambda _: None))
    for name, text in files.items():
        writer.replace(workspace / name, text.encode())


def _config(remote_url: str) -> str:
    return (
        "[core]\n    no_scm = true\n    analytics = false\n    remote = laurel\n"
        f'[\'remote "laurel"\']\n    url = "{shown(remote_url)}"\n    verify = true\n'
    )


def _pointer(name: str, thing: FileObject | FolderObject) -> str:
    """Write a pointer by hand: its md5 in quotes, for digits with an `e` in them would read as a number."""
    files = f"  nfiles: {thing.files}\n" if isinstance(thing, FolderObject) else ""
    return f"outs:\n- md5: '{thing.oid}'\n  size: {thing.size}\n{files}  hash: md5\n  path: \"{name}\"\n"
