"""Starting a child process that cannot outlive its owner, and ending it with its whole group."""

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

_LAUNCH = Path(__file__).with_name("launch.py")
SAME_USER = (-1, -1)

Child = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Command:
    """What to run and how.

    Output goes to the end of ``log``. ``environment`` comes on top of ours without what begins with one of
    ``hide``. ``user`` is a (uid, gid) to become when the owner is root. ``death_signal`` is sent to the
    process when its owner ends in whatever way (on Linux). ``keep_open`` are descriptors that it inherits. It
    begins in ``folder``, else in that of the log.
    """

    arguments: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    hide: tuple[str, ...] = ()
    user: tuple[int, int] = SAME_USER
    death_signal: int = signal.SIGKILL
    keep_open: tuple[int, ...] = ()
    folder: Path | None = None

    def launch_line(self) -> list[str]:
        """The whole command line: our launcher, then the command."""
        launcher = [sys.executable, "-I", "-S", str(_LAUNCH), str(os.getpid())]
        return [*launcher, str(int(self.death_signal)), *map(str, self.user), *self.arguments]

    def variables(self) -> dict[str, str]:
        """The process's environment."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith(self.hide)}
        return {**ours, **self.environment}


class _Spawner:
    """One thread that lives as long as the process and starts every child.

    The kernel sends the parent-death signal when the *thread* that made the child ends.
    """

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Child], Future[Child]]] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="embedded-spawner", daemon=True).start()

    def spawn(self, make: Callable[[], Child]) -> Child:
        done: Future[Child] = Future()
        self._jobs.put((make, done))
        return done.result()

    def _work(self) -> None:
        while True:
            make, done = self._jobs.get()
            try:
                done.set_result(make())
            except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises it
                done.set_exception(error)


_lock = threading.Lock()
_spawner: list[_Spawner] = []


def _current_spawner() -> _Spawner:
    with _lock:
        if not _spawner or _spawner[0].owner != os.getpid():  # a forked child has no such thread
            _spawner[:] = [_Spawner()]
        return _spawner[0]


def _open(command: Command) -> Child:
    with command.log.open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - the command is ours
            command.launch_line(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=command.variables(),
            cwd=command.folder or command.log.parent,
            start_new_session=True,
            pass_fds=command.keep_open,
        )


def spawn(command: Command) -> Child:
    """Start ``command`` in a session of its own; it dies with this process."""
    return _current_spawner().spawn(partial(_open, command))


def run(command: Command, timeout: float) -> int:
    """Run ``command`` to its end and return its exit code; it is killed after ``timeout`` seconds."""
    child = spawn(command)
    try:
        return child.wait(timeout)
    finally:
        kill_group(child)


def kill_group(child: Child) -> None:
    """SIGKILL for the process and all in its group, and collect it; nothing if it was collected before."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def end(child: Child, polite: int, grace: float) -> bool:
    """Ask with the ``polite`` signal, then SIGKILL after ``grace`` seconds. True if asking was enough."""
    if child.poll() is not None:
        return True
    child.send_signal(polite)
    try:
        child.wait(grace)
    except subprocess.TimeoutExpired:
        kill_group(child)
        return False
    return True
