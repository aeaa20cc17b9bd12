"""A process that has imported everything once; Laurel's processes under test are forks of it.

Importing costs a worker and its fork parent five seconds of processor time, an inference server seven. A
suite that starts hundreds of them cannot pay that each time. Nothing but imports has happened here, so a fork
is as good as a fresh start.
"""

import asyncio
import base64
import contextlib
import gc
import importlib
import importlib.metadata
import json
import os
import random
import runpy
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Final, NoReturn

from config.settings import Settings
from domain.values import build_models
from service.adapters.postgres.database import Database
from service.lifecycle import root
from service.lifecycle.settings_values import children_settings
from service.processes import fork_client, fork_server, kernel
from service.processes.child_settings import ForkSettings
from service.runtime.provenance import provenance

MODULES: Final = (
    "service.cli.commands",
    "service.lifecycle.root",
    "service.serving.root",
    "service.gateway.root",
    "service.rollout.root",
    "service.serving.loading_child",
    # What each of them, or its children, would import at its first need.
    "service.lifecycle.steps.plots_job",
    "service.adapters.kafka.announcements",
    "service.adapters.postgres.migrate",
    "anyio._backends._asyncio",
    "narwhals._pandas_like.namespace",
    "narwhals.stable.v2._namespace",
)
_PICTURES: Final = ("predicted_vs_actual", "residuals", "error_by_locality", "candidate_vs_champion")
_DOT: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
_OWN_A_FORK_PARENT: Final = frozenset({"worker", "inference"})
_START_FORK_PARENT: Final = fork_client._launch  # how it is started where no fork stands by
LARGEST_MESSAGE: Final = 1 << 18
MOST_DESCRIPTORS: Final = 8


class Nursery:
    """Forks on request, and tells who asked how each fork ended."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._pid = os.getpid()
        self._asking: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._woken, self._waker = os.pipe()

    def run(self) -> None:
        """Serve until the other end is closed."""
        for descriptor in (self._woken, self._waker):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(self._control, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._control.sendall(b"ready")
        while self._serve_once():
            self._reap()

    def _serve_once(self) -> bool:
        for key, _ in self._selector.select():
            if key.fileobj is self._control:
                return self._obey()
            os.read(self._woken, 4096)
        return True

    def _obey(self) -> bool:
        message, descriptors, _, _ = socket.recv_fds(self._control, LARGEST_MESSAGE, MOST_DESCRIPTORS)
        if not message:
            return False
        reply, output, *others = descriptors
        pid = os.fork()
        if pid == 0:
            self._be(reply, output, others, **json.loads(message))
        for descriptor in (output, *others):
            os.close(descriptor)
        self._asking[pid] = socket.socket(fileno=reply)
        return True

    def _reap(self) -> None:
        while self._asking:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            with self._asking.pop(pid) as asking, contextlib.suppress(OSError):  # who asked may have gone
                asking.sendall(str(os.waitstatus_to_exitcode(status)).encode())

    def _be(
        self,
        reply: int,
        output: int,
        others: Sequence[int],
        entry: str,
        arguments: Mapping[str, Any],
        environment: Mapping[str, str],
        folder: str,
        death_signal: int,
    ) -> NoReturn:
        status: Any = 1
        try:
            self._let_go()
            os.setsid()
            kernel.die_with_parent(self._pid, death_signal)
            _write_to(output)
            with socket.socket(fileno=reply) as asking:
                asking.sendall(str(os.getpid()).encode())
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(environment)
            random.seed()  # else all forks would throw the same dice
            module, _, function = entry.partition(":")
            getattr(importlib.import_module(module), function)(*others, **arguments)
            status = 0
        except SystemExit as ended:
            status = 0 if ended.code is None else ended.code
        except BaseException:  # noqa: BLE001 - a process's last words
            traceback.print_exc()
        finally:
            _end(status)

    def _let_go(self) -> None:
        """Drop, in a fork, what is the nursery's alone."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        for asking in self._asking.values():
            asking.close()
        self._control.close()
        os.close(self._woken)
        os.close(self._waker)


def children_settings_without_warm_up(settings: Settings) -> ForkSettings:
    """Say how children start here: the warm-up makes a first run quicker, and most lives here have none."""
    return replace(children_settings(settings), warm_up=None)


async def no_rehearsal(_database: Database) -> None:
    """Rehearse nothing, as a worker does at its start: no first request has to be quick here."""


def draw_dots() -> None:
    """Let each picture be one dot: real ones cost a child a second, and few tests look at them."""
    job = importlib.import_module("service.lifecycle.steps.plots_job")
    for name in _PICTURES:
        vars(job)[name] = lambda *_: _DOT


def read_versions_once() -> None:
    """Keep what a start reads of a dozen installed packages, for 3 ms each."""
    vars(importlib.metadata)["version"] = cache(importlib.metadata.version)
    provenance()


def skip_the_warm_up() -> None:
    """Let the workers of this process, and their children, start without it."""
    vars(root)["children_settings"] = children_settings_without_warm_up
    vars(root)["dry_run"] = no_rehearsal


def be_laurel(*_kept_open: int, command: Sequence[str]) -> None:
    """Be `laurel` as a person starts it."""
    if command[0] in _OWN_A_FORK_PARENT:
        fork_parent_stands_by()
    skip_the_warm_up()
    sys.argv = ["laurel", *command]
    importlib.import_module("service.cli").main()


def be_command(complaints: int, *, command: Sequence[str]) -> None:
    """Be `laurel`, with a place of its own for what goes to standard error."""
    os.dup2(complaints, 2)
    be_laurel(command=command)


def be_module(*_kept_open: int, module: str, words: Sequence[str]) -> None:
    """Be `python -m module words…`."""
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def be_fork_parent(control: int, log_level: str, modules: Sequence[str]) -> None:
    """Be a fork parent whose worker did not make it: the nursery stands in as its parent."""
    _run_fork_server(control, os.getppid(), log_level, modules)


def fork_parent_stands_by() -> None:
    """Fork this worker's first fork parent now, while there is but one thread; it waits for its socket."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    worker = os.getpid()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _await_socket(theirs, worker)
    theirs.close()
    waiting = [ours]

    async def launch(settings: ForkSettings, control: int) -> Any:
        if not waiting:
            return await _START_FORK_PARENT(settings, control)
        told = {"variables": settings.variables(), "log_level": settings.log_level}
        with waiting.pop() as door:
            socket.send_fds(door, [json.dumps(told | {"modules": settings.preload}).encode()], [control])
        return _Forked(pid)

    vars(fork_client)["_launch"] = launch


def _await_socket(door: socket.socket, worker: int) -> NoReturn:
    os.setsid()
    kernel.die_with_parent(worker)
    told, descriptors, _, _ = socket.recv_fds(door, LARGEST_MESSAGE, 1)
    if not told:
        os._exit(0)
    order = json.loads(told)
    os.environ.update(order["variables"])
    _run_fork_server(descriptors[0], worker, order["log_level"], order["modules"])
    os._exit(1)


def _run_fork_server(control: int, worker: int, log_level: str, modules: Sequence[str]) -> None:
    sys.argv = ["fork_server", str(control), str(worker), log_level, *modules]
    fork_server.main()


class _Forked:
    """As much of asyncio's process as a fork parent's owner uses."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def kill(self) -> None:
        """SIGKILL."""
        os.kill(self.pid, signal.SIGKILL)

    async def wait(self) -> None:
        """Wait for its end, of which the kernel tells: looking for it all the time would cost."""
        with contextlib.suppress(ProcessLookupError, ChildProcessError):  # somebody has waited before
            over, loop = asyncio.Event(), asyncio.get_running_loop()
            told = os.pidfd_open(self.pid)
            loop.add_reader(told, over.set)
            try:
                await over.wait()
            finally:
                loop.remove_reader(told)
                os.close(told)
            os.waitpid(self.pid, 0)  # noqa: ASYNC222 - it has ended


def _write_to(output: int) -> None:
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)


def _end(status: Any) -> NoReturn:
    if isinstance(status, str):
        sys.stderr.write(f"{status}\n")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else 1)


def main() -> None:
    """Start as a process: `nursery.py DESCRIPTOR OWNER MODULE…`."""
    descriptor, owner, *modules = sys.argv[1:]
    kernel.die_with_parent(int(owner))
    control = socket.socket(fileno=int(descriptor))
    control.set_inheritable(False)
    for module in modules:
        importlib.import_module(module)
    build_models()
    draw_dots()
    read_versions_once()
    gc.collect()
    gc.freeze()
    Nursery(control).run()


if __name__ == "__main__":
    main()
