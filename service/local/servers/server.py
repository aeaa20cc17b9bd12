"""The lifecycle that all embedded servers share: start, wait until ready, stop, kill, start again."""

import signal
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Self

from service.local.servers import ports, process
from service.local.servers.errors import EmbeddedServerError
from service.local.servers.folder import FolderLock

_LOG_TAIL = 4000


class EmbeddedServer(ABC):
    """One server process on 127.0.0.1 with its data and logs in ``folder``.

    After ``stop`` or ``kill`` the same object can be started again on the same data and port. What goes wrong
    is an :class:`EmbeddedServerError`.
    """

    name: str
    polite_signal: ClassVar[int] = signal.SIGTERM

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder.absolute()
        self.port = port
        self.log = self.folder / f"{self.name}.log"
        self._lock = FolderLock(self.folder, self.name)
        self._child: process.Child | None = None
        self._log_start = 0

    def start(self) -> None:
        """Prepare what has to be there and start the process; does not wait until it is ready."""
        if self.pid is not None:
            message = f"{self.name} runs already"
            raise EmbeddedServerError(message)
        self._lock.acquire()
        try:
            for port in self._ports():
                ports.require_free(self.name, port)
            self._prepare()
            self._log_start = self.log.stat().st_size if self.log.exists() else 0
            self._child = process.spawn(self._command())
        finally:
            # the process holds the inherited lock until its end, which is what a successor waits for
            self._lock.release()

    def wait_ready(self, timeout: float = 180) -> None:
        """Return when the server answers real requests.

        Raises:
            EmbeddedServerError: it ended, or did not answer within ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while not self._answers():
            self._require_alive()
            if time.monotonic() > deadline:
                message = f"{self.name} did not answer within {timeout:g} s; {self._log_tail()}"
                raise EmbeddedServerError(message)
            time.sleep(0.02)

    def stop(self, grace: float = 10) -> bool:
        """End it in order, by force after ``grace`` seconds. True if no force was needed."""
        if self._child is None:
            return True
        in_order = process.end(self._child, self.polite_signal, grace)
        self._child = None
        return in_order

    def kill(self) -> None:
        """End it by SIGKILL at once, as a crash would."""
        if self._child is not None:
            process.kill_group(self._child)
            self._child = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    def has_ended(self) -> bool:
        """Whether it was started and has ended without being asked."""
        return self._child is not None and self._child.poll() is not None

    def __enter__(self) -> Self:
        """Start and wait until ready."""
        try:
            self.start()
            self.wait_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def _ports(self) -> tuple[int, ...]:
        return (self.port,)

    @abstractmethod
    def _prepare(self) -> None:
        """Make what the process needs before its start."""

    @abstractmethod
    def _command(self) -> process.Command:
        """What to run; it inherits ``self._lock.descriptor``."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether a real request is answered now."""

    def _require_alive(self) -> None:
        if self._child is None:
            message = f"{self.name} does not run"
            raise EmbeddedServerError(message)
        if (code := self._child.poll()) is not None:
            message = f"{self.name} ended with exit code {code}; {self._log_tail()}"
            raise EmbeddedServerError(message)

    def _logged(self) -> str:
        """What the process has written since its start."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def _log_tail(self) -> str:
        return f"the end of {self.log}:\n{self._logged()[-_LOG_TAIL:].strip()}"
