"""The fork parent: a process that only imports, forks children on request, and buries them.

It runs apart from the worker, because a fork is safe only where nothing but imports has ever happened. It is
the one who holds children to their limits, so that they end in time even while the worker is stopped. It
leaves nothing behind: a child's death takes the child's group along, and the worker's death takes everything.
"""

import contextlib
import faulthandler
import gc
import importlib
import logging
import os
import pickle
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from domain.values import build_models
from service.processes import child, kernel
from service.processes.child_table import Charges, Death
from service.processes.leftovers import Leftovers
from service.processes.wire import pack

# Polars starts it on import; it waits for spilled files to delete, and spilling is switched off.
_HARMLESS_THREADS: Final = frozenset({"polars-ooc-clea"})
_LARGEST_MESSAGE: Final = 1 << 18
_FIRST_TO_GO: Final = "500"  # the kernel, short of memory, takes a child before a database
_log = logging.getLogger("laurel.children")


class Zygote:
    """Forks, limits and buries children, as the worker asks over the control socket."""

    def __init__(self, control: socket.socket, worker: int) -> None:
        self._control = control
        self._worker = worker
        self._pid = os.getpid()
        self._leftovers = Leftovers()
        self._charges = Charges(self._leftovers)
        self._selector = selectors.DefaultSelector()
        self._woken, self._waker = os.pipe()
        self._orders: dict[str, Callable[..., None]] = {
            "fork": self._fork,
            "watch": self._charges.watch,
            "end": self._charges.end,
            "ping": lambda number: self._say("pong", number),
        }

    def run(self) -> NoReturn:
        """Serve the worker until it is gone; take every child along then."""
        self._listen()
        self._leftovers.open()
        while os.getppid() == self._worker and self._serve_once():
            self._charges.reap(self._tell_death)
            self._charges.enforce(time.monotonic())
        self._charges.end_all()
        self._leftovers.close()
        os._exit(0)

    def _listen(self) -> None:
        """Wake on a message, on a child's death and on the worker's; no signal from a terminal ends us."""
        os.set_blocking(self._woken, False)
        os.set_blocking(self._waker, False)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, _only_wake)
        kernel.die_with_parent(self._worker, signal.SIGTERM)
        self._selector.register(self._control, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)

    def _serve_once(self) -> bool:
        """Wait for something to happen and deal with it; False when the worker is gone."""
        for key, _ in self._selector.select(self._charges.pause(time.monotonic())):
            if key.fileobj is self._control:
                return self._obey()
            os.read(self._woken, 4096)
        return True

    def _obey(self) -> bool:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, _LARGEST_MESSAGE, 1)
        except ConnectionError:
            return False
        if data:
            order, *details = pickle.loads(data)  # noqa: S301 - only the worker holds the other end
            self._orders[order](*details, *descriptors)
        return bool(data)

    def _say(self, *message: object) -> None:
        with contextlib.suppress(ConnectionError):  # the worker's end is noticed where we listen
            self._control.sendall(pack(message))

    def _tell_death(self, pid: int, death: Death) -> None:
        self._say("died", pid, *death)

    def _fork(self, number: int, descriptor: int) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            self._say("unforked", number, str(error))
        else:
            if pid == 0:
                self._be_child(descriptor)
            with contextlib.suppress(OSError):  # the child does the same: the first one wins
                os.setpgid(pid, pid)
            self._charges.add(pid)
            self._say("forked", number, pid)
        finally:
            os.close(descriptor)

    def _be_child(self, descriptor: int) -> NoReturn:
        status = 1
        try:
            os.setpgid(0, 0)
            kernel.die_with_parent(self._pid)
            self._let_go()
            self._leftovers.enter()
            gc.enable()
            child.serve(socket.socket(fileno=descriptor))
            status = 0
        except BaseException:  # noqa: BLE001 - it is logged, and nothing is left but to end
            _log.exception("a child broke")
        finally:
            os._exit(status)

    def _let_go(self) -> None:
        """Drop, in a child, what is the fork parent's alone."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        self._control.close()
        os.close(self._woken)
        os.close(self._waker)
        kernel.name_process("laurel-child")
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)


def _only_wake(_number: int, _frame: object) -> None:
    """Let the signal interrupt the wait, nothing else."""


def _preload(modules: tuple[str, ...]) -> str | None:
    """Import what children need; say what went wrong."""
    if alive := kernel.threads():
        return (
            f"something that is injected into each process started threads: {', '.join(alive)}; no child "
            "would inherit them, so keep it (a .pth file, LD_PRELOAD) away from the worker"
        )
    gc.disable()  # garbage that was collected leaves holes, and holes are filled in each child
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:  # noqa: BLE001 - it is logged, and the worker refuses to start
            _log.exception("cannot preload %s", module)
            return f"cannot import {module}: {type(error).__name__}: {error}"
    build_models()
    if alive := sorted(set(kernel.threads()) - _HARMLESS_THREADS):
        names = ", ".join(modules)
        return f"importing {names} started threads, which no child would inherit: {', '.join(alive)}"
    gc.collect()
    gc.freeze()
    return None


def main() -> None:
    """Start as a process: `zygote.py CONTROL_DESCRIPTOR WORKER_PID LOG_LEVEL MODULE…`."""
    descriptor, worker, log_level, *modules = sys.argv[1:]
    kernel.die_with_parent(int(worker))
    kernel.adopt_orphans()
    kernel.name_process("laurel-forks")
    faulthandler.enable()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s[%(process)d] %(message)s")
    logging.getLogger("laurel").setLevel(log_level)
    control = socket.socket(fileno=int(descriptor))
    control.set_inheritable(False)
    started = time.monotonic()
    trouble = _preload(tuple(modules))
    outcome = ("refused", 0, trouble) if trouble else ("ready", 0, time.monotonic() - started)
    control.sendall(pack(outcome))
    if not trouble:
        Zygote(control, int(worker)).run()


if __name__ == "__main__":
    main()
