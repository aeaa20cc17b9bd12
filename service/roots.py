"""The two roots that a worker reads and writes: looked at before it takes any work."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile

from domain.errors import Stop


def require_roots(roots: Mapping[str, Path]) -> None:
    """Raise Stop `root_unusable` naming every root, by its setting, that is no folder or cannot be written.

    A root that is missing is not made: it is most likely a disk that is not mounted.
    """
    problems = [f"{name}: {problem}" for name, root in roots.items() if (problem := _problem(root))]
    if problems:
        raise Stop("root_unusable", "; ".join(problems), roots=problems)


def _problem(root: Path) -> str | None:
    if not root.is_dir():
        return f"{root} is no folder; make it, mount it, or set another"
    try:
        with TemporaryFile(dir=root):
            return None
    except OSError as error:
        return f"{root} cannot be written ({error.strerror}); give this user the right, or mount it writable"
