"""The cache on this machine: DVC's, shared by all runs, and checked instead of believed.

Every object appears whole by a rename, so that any number of runs may add the same one at once; there is no
lock that could be held or torn. Files come in as copies, or as files that share blocks until one is written
to: what DVC makes read-only is never a file of the user's, and what happens to a run's own files never
reaches the cache.

DVC's format has an object per content, named by its md5; a folder is an object too.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from dvc.fs import localfs
from dvc_data.hashfile.db import HashFileDB, get_odb
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.meta import Meta
from dvc_data.hashfile.tree import Tree

from domain.datasets import DatasetFile
from domain.errors import NeverRetry
from domain.values import Sha256
from service.adapters.dvc.addresses import objects_below
from service.adapters.files.atomic import AtomicFiles, sha256_of, sweep
from service.adapters.files.errors import disk_errors
from service.adapters.files.operations import FileOperations


class FileObject(NamedTuple):
    """The bytes of one file: `oid` is their md5, `size` their number, `sha256` what the manifest says."""

    oid: str
    size: int
    sha256: Sha256


class FolderObject(NamedTuple):
    """A list of files by relative path: `oid` is the md5 of the list and ends in `.dir`."""

    oid: str
    size: int
    files: int
    tree: Tree


def folder_of(entries: Mapping[str, FileObject]) -> FolderObject:
    """Name the folder that holds these files by relative path. The same files make the same folder."""
    tree = Tree()
    for path, file in entries.items():
        tree.add(tuple(path.split("/")), Meta(size=file.size), HashInfo("md5", file.oid))
    tree.digest()
    return FolderObject(tree.oid, sum(file.size for file in entries.values()), len(entries), tree)


_MD5 = re.compile("[0-9a-f]{32}")
_ABANDONED_SECONDS = 3600.0  # longest time that one copy may take
READ_ONLY = 0o444  # DVC takes an object of this mode for whole without looking


class DvcCache:
    """Raises TryLater `disk_full` or `file_error`, NeverRetry `split_digest_mismatch`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "laurel" / "incoming"
        self._objects: HashFileDB = get_odb(localfs, str(objects_below(folder)), hash_name="md5")
        # Nothing waits for the disk: what a power cut costs here is seen by its digest and made again.
        self._writer = AtomicFiles(FileOperations(fsync=lambda _: None))

    def path(self, oid: str) -> str:
        """Where an object is."""
        return str(self._objects.oid_to_path(oid))

    def sweep(self) -> None:
        """Remove copies that a crash left half made."""
        with disk_errors(self._incoming):
            sweep(self._incoming, older_than_seconds=_ABANDONED_SECONDS)

    def add(self, file: DatasetFile) -> FileObject:
        """Have the bytes of a file in the cache; bytes that are there already are only checked."""
        with disk_errors(self._folder):
            known = self._known(file)
        return known or self.take_in(file)

    def take_in(self, file: DatasetFile) -> FileObject:
        """Copy a file into the cache, in the place of what is there. Its bytes must be those recorded."""
        md5 = hashlib.md5(usedforsecurity=False)
        with self._writer.draft(self._incoming / "file") as draft:
            draft.take(Path(file.path), md5.update)
            if draft.sha256 != file.sha256:
                raise _changed(file, draft.sha256)
            self._place(draft.temporary, md5.hexdigest())
        self._remember(file.sha256, md5.hexdigest())
        return FileObject(md5.hexdigest(), draft.size, file.sha256)

    def add_folder(self, folder: FolderObject) -> None:
        """Have a folder's list in the cache."""
        with self._writer.draft(self._incoming / "folder") as draft:
            draft.write(folder.tree.as_bytes())
            self._place(draft.temporary, folder.oid)

    def _place(self, temporary: Path, oid: str) -> None:
        path = Path(self.path(oid))
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.chmod(READ_ONLY)
        os.replace(temporary, path)  # noqa: PTH105 - the draft's own rename would wait for the disk

    def _known(self, file: DatasetFile) -> FileObject | None:
        """Look whether these bytes came in before and are as they were: sha256 costs a third of md5."""
        with suppress(FileNotFoundError):
            oid = self._note(file.sha256).read_bytes().decode(errors="replace")
            if _MD5.fullmatch(oid) and sha256_of(Path(self.path(oid))) == file.sha256:
                return FileObject(oid, file.bytes, file.sha256)
        return None

    def _remember(self, sha256: str, oid: str) -> None:
        self._writer.replace(self._note(sha256), oid.encode())

    def _note(self, sha256: str) -> Path:
        """The file that says under which md5 the bytes with this sha256 are."""
        return self._folder / "laurel" / "md5-by-sha256" / sha256[:2] / sha256[2:]


def _changed(file: DatasetFile, found: str) -> NeverRetry:
    return NeverRetry(
        "split_digest_mismatch",
        f"{file.path} is not what was split: its sha256 was {file.sha256}, and is now {found}",
        path=file.path,
        expected=file.sha256,
        found=found,
    )
