"""The folders that a worker reads and writes: looked at before it takes any work."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from domain.errors import Stop
from service.adapters.files.errors import NO_ROOM
from service.adapters.files.probe import probe


@dataclass(frozen=True)
class Written:
    """A folder and its setting; `links` where hard links are made."""

    setting: str
    folder: Path
    links: bool = False


def require_roots(roots: Mapping[str, Path], written: Iterable[Written] = ()) -> None:
    """Raise Stop `root_unusable` naming every root, by its setting, that is no directory or not writable.

    A root that is missing is not made: it is most likely a disk that is not mounted. `written` are other
    folders, which the work makes where they are missing. A full disk is waited for later on.
    """
    missing = {name: fault for name, root in roots.items() if (fault := folder_fault(root))}
    problems = [
        f"{name}: {fault}; create or mount it, or change the setting" for name, fault in missing.items()
    ]
    tried = [*(Written(name, root) for name, root in roots.items()), *written]
    below = [one for one in tried if not any(one.folder.is_relative_to(roots[name]) for name in missing)]
    problems += [problem for one in below if (problem := _problem(one))]
    if problems:
        problems = [*dict.fromkeys(problems)]
        raise Stop("root_unusable", "; ".join(problems), roots=problems)


def folder_fault(root: Path) -> str | None:
    """Say why this is not a directory; None when it is one."""
    try:
        return None if root.is_dir() else f"{root} is not a directory"
    except OSError as error:  # a folder above may not be entered, or the name is too long
        return f"{root} cannot be inspected ({error.strerror})"


def _problem(written: Written) -> str | None:
    refused = probe(written.folder, links=written.links)
    if refused is None or refused.error.errno in NO_ROOM:
        return None
    return f"{written.setting}: {refused}; grant this user access, or mount it writable"
