"""Values of DVC's object format: an object per content, named by its md5; a folder is an object too."""

from collections.abc import Mapping
from typing import NamedTuple

from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.meta import Meta
from dvc_data.hashfile.tree import Tree

from domain.values import Sha256


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
