"""A process that has imported everything once; each worker under test, and its fork parent, is a fork of it.

Importing costs a worker and its fork parent five seconds of processor time. A test that kills sixty of them
cannot pay that sixty times. Nothing but imports has happened here, so a fork is as good as a fresh start.
"""

import asyncio
import gc
import importlib
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from service.children import fork_parent, kernel, zygote
from service.children.settings import PRELOAD, ChildSettings
from tests.chaos.disk import guard_the_disk
from tests.chaos.points import FOLDER_VARIABLE

_START_FORK_PARENT: Final = fork_parent._launch  # how it is started where no fork stands by
_LARGEST: Final = 1 << 16


def main() -> None:
    """Start as a process: `nursery.py DESCRIPTOR`. One message is one worker to fork, its answer the pid."""
    control = socket.socket(fileno=int(sys.argv[1]))
    for module in (*PRELOAD, "tests.chaos.worker", "tests.chaos.child_tasks"):
        importlib.import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries workers; who looks sees them gone
    gc.collect()
    gc.freeze()
    control.sendall(b"ready")
    while message := control.recv(_LARGEST):
        pid = os.fork()
        if pid == 0:
            control.close()
            _be_worker(**json.loads(message), nursery=os.getppid())
        control.sendall(str(pid).encode())


def _be_worker(
    log: str, environment: Mapping[str, str], mutant: str | None, command: Sequence[str], nursery: int
) -> NoReturn:
    status: Any = 1
    try:
        os.setsid()
        kernel.die_with_parent(nursery)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _write_to(log)
        os.environ.clear()
        os.environ.update(environment)
        guard_the_disk(Path(environment[FOLDER_VARIABLE]))
        _fork_parent_stands_by()
        _run(mutant, command)
        status = 0
    except SystemExit as ended:
        status = ended.code
    except BaseException:  # noqa: BLE001 - a process's last words
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 1)


def _run(mutant: str | None, command: Sequence[str]) -> None:
    """Be the worker with armed points or, given a command, `laurel` as a person starts it."""
    if command:
        sys.argv = ["laurel", *command]
        importlib.import_module("service.cli").main()
    else:
        importlib.import_module("tests.chaos.worker").run(mutant)


def _write_to(log: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def _fork_parent_stands_by() -> None:
    """Fork the worker's first fork parent now, while there is but one thread; it waits for its socket."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    worker = os.getpid()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _be_fork_parent(theirs, worker)
    theirs.close()
    waiting = [ours]

    async def launch(settings: ChildSettings, control: int) -> Any:
        if not waiting:
            return await _START_FORK_PARENT(settings, control)
        told = json.dumps({**settings.variables(), "LOG": settings.log_level}).encode()
        with waiting.pop() as door:
            socket.send_fds(door, [told], [control])
        return _Forked(pid)

    fork_parent._launch = launch


def _be_fork_parent(door: socket.socket, worker: int) -> NoReturn:
    os.setsid()
    kernel.die_with_parent(worker)
    told, descriptors, _, _ = socket.recv_fds(door, _LARGEST, 1)
    if not told:
        os._exit(0)
    variables = json.loads(told)
    log_level = variables.pop("LOG")
    os.environ.update(variables)
    sys.argv = ["zygote", str(descriptors[0]), str(worker), log_level, *PRELOAD]
    zygote.main()
    os._exit(1)


class _Forked:
    """As much of asyncio's process as a fork parent's owner uses."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def kill(self) -> None:
        """SIGKILL."""
        os.kill(self.pid, signal.SIGKILL)

    async def wait(self) -> None:
        """Wait for its end."""
        while self._lives():  # noqa: ASYNC110 - the kernel sets no event of ours
            await asyncio.sleep(0.01)

    def _lives(self) -> bool:
        return os.waitpid(self.pid, os.WNOHANG) == (0, 0)


if __name__ == "__main__":
    main()
