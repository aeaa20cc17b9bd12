"""`laurel` as a process of its own, with all that it starts."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil

from tests.kit.processes import alive
from tests.unit.cli.calls import KEPT

ROOT = Path(__file__).parents[3]
_END_SECONDS = 60


class Process:
    """A command whose lines are read as they come; everything is in one stream."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - ours
            command,
            env=environment,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []

    def until(self, text: str) -> None:
        """Read on until a line holds this text."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line)
            if text in line:
                return
        raise AssertionError(f"it ended without {text!r}:\n{self.text}")

    def descendants(self) -> list[int]:
        """All that it has started, and what that has started."""
        return [child.pid for child in psutil.Process(self._process.pid).children(recursive=True)]

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def interrupt_all(self) -> None:
        """Press Ctrl-C in its terminal: the shell and all that runs in it hear of it."""
        os.killpg(self._process.pid, signal.SIGINT)

    def end(self) -> int:
        """Read to the end and return the exit code."""
        assert self._process.stdout is not None
        self.lines += self._process.stdout
        return self._process.wait(_END_SECONDS)

    def kill(self) -> None:
        """End it by force."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    @property
    def text(self) -> str:
        """All lines that were read."""
        return "".join(self.lines)


def process(*arguments: object, **environment: str) -> AbstractContextManager[Process]:
    """Run a command of `laurel`; nothing of it is left behind, whatever the test finds."""
    inherited = {name: os.environ[name] for name in KEPT & set(os.environ)}
    command = [sys.executable, "-m", "service.cli", *map(str, arguments)]
    return process_of(command, {**inherited, **environment}, ROOT)


@contextmanager
def process_of(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Iterator[Process]:
    """Run any command in a folder, likewise."""
    started = Process(command, environment, folder)
    try:
        yield started
    finally:
        started.kill()


def left_of(pids: list[int]) -> list[int]:
    """Those that still run."""
    return alive(pids)
