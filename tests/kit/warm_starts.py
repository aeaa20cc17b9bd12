"""The test's end of the nursery: Laurel's processes without the seconds that their imports cost."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final

from service.local.servers.process import Command, kill_group, spawn
from service.processes.child_settings import PRELOAD, ForkSettings
from tests.kit.nursery import MODULES

_HERE: Final = "tests.kit.nursery"
PROJECT: Final = Path(__file__).parents[2]
_LONGEST_NUMBER: Final = 64


class WarmChild:
    """A fork of the nursery, handled like `subprocess.Popen`."""

    def __init__(self, pid: int, reply: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._reply = reply

    def poll(self) -> int | None:
        """The exit code once it has ended."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises TimeoutExpired."""
        if self.returncode is None:
            self._reply.settimeout(timeout)
            try:
                told = self._reply.recv(_LONGEST_NUMBER)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired("a fork", timeout or 0) from None
            self._ended(told)
        assert self.returncode is not None
        return self.returncode

    async def end(self) -> int:
        """Wait for its end without blocking the loop."""
        if self.returncode is None:
            self._reply.settimeout(0)
            self._ended(await asyncio.get_running_loop().sock_recv(self._reply, _LONGEST_NUMBER))
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, told: bytes) -> None:
        self.returncode = int(told or -signal.SIGKILL)  # nothing is told where the nursery itself has died
        self._reply.close()


class WarmProcess:
    """A fork of the nursery, handled like `asyncio.subprocess.Process`."""

    def __init__(self, child: WarmChild) -> None:
        self.pid = child.pid
        self.send_signal = child.send_signal
        self.kill = child.kill
        self.wait = child.end


class Nursery:
    """The process that all of a session's warm processes are forks of."""

    def __init__(self, folder: Path, more_modules: Sequence[str] = ()) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = (str(theirs.fileno()), str(os.getpid()), *PRELOAD, *MODULES, *more_modules)
        variables = {**ForkSettings().variables(), "PYTHONPATH": str(PROJECT)}
        arguments = (sys.executable, "-m", "tests.kit.nursery", *words)
        log = folder / "nursery.log"
        with theirs:
            self._process = spawn(Command(arguments, log, variables, keep_open=(theirs.fileno(),)))
        self._control = ours
        self._ready = False
        self._log = log

    def fork(
        self,
        entry: str,
        arguments: Mapping[str, Any],
        environment: Mapping[str, str],
        output: int,
        *,
        folder: Path = PROJECT,
        death_signal: int = signal.SIGKILL,
        keep_open: Sequence[int] = (),
    ) -> WarmChild:
        """Start a process that calls `entry` ("module:function") with `keep_open` and the arguments."""
        self._await_imports()
        told = {
            "entry": entry,
            "arguments": arguments,
            "environment": environment,
            "folder": str(folder),
            "death_signal": int(death_signal),
        }
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            descriptors = [theirs.fileno(), output, *keep_open]
            socket.send_fds(self._control, [json.dumps(told).encode()], descriptors)
        return WarmChild(int(ours.recv(_LONGEST_NUMBER)), ours)

    def role(self, command: Command) -> WarmChild:
        """Start what the command starts, a role of `laurel`, as a fork."""
        with command.log.open("ab") as log:
            return self.fork(
                f"{_HERE}:be_laurel",
                {"command": command.arguments[3:]},
                command.variables(),
                log.fileno(),
                folder=command.folder or command.log.parent,
                death_signal=command.death_signal,
                keep_open=command.keep_open,
            )

    def fork_parent(self, settings: ForkSettings, control: int) -> WarmProcess:
        """Start a fork parent for a worker in this process."""
        told = {"log_level": settings.log_level, "modules": settings.preload}
        variables = {**os.environ, **settings.variables()}
        return WarmProcess(self.fork(f"{_HERE}:be_fork_parent", told, variables, 2, keep_open=(control,)))

    def module(
        self, module: str, words: Sequence[str], environment: Mapping[str, str], output: int | None = None
    ) -> WarmProcess:
        """Start `python -m module words…`; what it prints goes to `output`, or is lost."""
        told, whole = {"module": module, "words": words}, {**os.environ, **environment}
        with Path(os.devnull).open("wb") as nowhere:
            to = nowhere.fileno() if output is None else output
            return WarmProcess(self.fork(f"{_HERE}:be_module", told, whole, to))

    async def command(self, words: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str, str]:
        """Run `laurel words…` to its end; its exit code, what it said, and its complaints."""
        with TemporaryFile() as said, TemporaryFile() as complaints:
            told, kept = {"command": words}, (complaints.fileno(),)
            child = self.fork(f"{_HERE}:be_command", told, environment, said.fileno(), keep_open=kept)
            code = await child.end()
            for file in (said, complaints):
                file.seek(0)
            return code, said.read().decode(), complaints.read().decode()

    def close(self) -> None:
        """End it; what still lives of its forks ends with it."""
        self._control.close()
        kill_group(self._process)

    def _await_imports(self) -> None:
        if not self._ready:
            self._ready = self._control.recv(_LONGEST_NUMBER) == b"ready"
            assert self._ready, self._log.read_text(encoding="utf-8")
