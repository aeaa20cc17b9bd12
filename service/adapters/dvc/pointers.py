"""Pointer files, by which anyone can `dvc pull` what a run was made of."""

from collections.abc import Mapping
from pathlib import Path

from service.adapters.dvc.addresses import shown
from service.adapters.dvc.objects import FileObject, FolderObject
from service.adapters.files.atomic import AtomicFiles
from service.adapters.files.operations import FileOperations


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
