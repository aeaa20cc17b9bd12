"""How a server that root starts as another user reaches what is root's, without any right of root.

Its folders may lie below one that is closed to others, a home folder or a test's. So it begins inside of its
data folder, and programs that it could not read are copied to where it can.
"""

import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import IO

from service.local.servers.errors import EmbeddedServerError
from service.local.servers.process import SAME_USER

# The kernel leads there from whatever folder a process began in, past all folders above it.
HERE = Path("/proc/self/cwd")
_COPIES = Path("/var/cache/laurel")


def server_user() -> tuple[int, int]:
    """Nobody when we are root, whom PostgreSQL refuses; else ourselves."""
    if os.geteuid() != 0:
        return SAME_USER
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def secret_file(text: str, folder: Path) -> IO[bytes]:
    """A file without a name that the server's user can read by its descriptor."""
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - the caller closes it
    file.write(text.encode())
    file.flush()
    os.fchown(file.fileno(), *server_user())
    return file


def readable(package: Path, programs: str) -> Path:
    """The ``programs`` of a wheel if everybody can read them, else a copy that is root's alone to change."""
    libraries = package.with_name(f"{package.name}.libs")
    if _is_readable(package / programs) and (not libraries.exists() or _is_readable(libraries)):
        return package / programs
    copy = _COPIES / f"{package.name}-{version(package.name)}"
    if not copy.exists():
        _copy((package / programs, libraries), package.parent, copy)
    if copy.stat().st_uid != 0 or copy.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise EmbeddedServerError(f"{copy} can be changed by users other than root; remove it")
    return copy / package.name / programs


def _is_readable(folder: Path) -> bool:
    below = all(
        path.stat().st_mode & stat.S_IROTH for path in (folder, *folder.glob("*"), *folder.glob("bin/*"))
    )
    return below and all(path.stat().st_mode & stat.S_IXOTH for path in (folder, *folder.absolute().parents))


def _copy(folders: Iterable[Path], base: Path, copy: Path) -> None:
    """Copy with the same way from one folder to the other, by which programs find their libraries."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=copy.parent))
    for folder in folders:
        shutil.copytree(folder, fresh / folder.relative_to(base), symlinks=True)
    for path in (fresh, *fresh.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
    try:
        fresh.rename(copy)
    except OSError:  # another process was first
        shutil.rmtree(fresh, ignore_errors=True)
