"""Workers as processes: started, killed, stopped and started again by name."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from service.local.servers import ports
from tests.chaos.figures import FIGURES
from tests.chaos.points import FOLDER_VARIABLE
from tests.kit.eventually import eventually
from tests.kit.processes import alive
from tests.kit.warm_starts import Nursery, WarmChild

_GRACE_SECONDS = 20.0


class Worker:
    """One worker of a name, through all its lives."""

    def __init__(
        self,
        nursery: Nursery,
        name: str,
        folder: Path,
        environment: Mapping[str, str],
        mutant: str | None = None,
    ) -> None:
        self.name = name
        self.lives = 0
        self.pid = 0
        self._child: WarmChild | None = None
        self.log = folder / f"{name}.log"
        self._nursery = nursery
        self._mutant = mutant
        self._environment = {
            FOLDER_VARIABLE: str(folder),
            "HTTP__WORKER_PORT": str(ports.free_port()),
            **environment,
            "WORKER__ID": name,
        }

    def start(self) -> None:
        """Begin a life."""
        self._collect()
        self.lives += 1
        with self.log.open("ab") as log:
            self._child = self._nursery.fork(
                "tests.chaos.worker:run",
                {"mutant": self._mutant},
                {**os.environ, **self._environment},
                log.fileno(),
            )
        self.pid = self._child.pid

    @property
    def alive(self) -> bool:
        """True while its process runs: the kernel knows it before the nursery has said so."""
        return self._child is not None and self._child.poll() is None and bool(alive([self.pid]))

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone: whoever watches restarts only what is."""
        self._signal(signal.SIGKILL)
        while self.alive:
            time.sleep(0.001)
        FIGURES.add("kills")

    def end(self) -> None:
        """SIGTERM, and SIGKILL if that is not enough."""
        self.wake()
        self._signal(signal.SIGTERM)
        deadline = now() + _GRACE_SECONDS
        while self.alive:
            if now() > deadline:
                self._signal(signal.SIGKILL)
            time.sleep(0.01)
        self._collect()

    def stop(self) -> None:
        """SIGSTOP: the process is there, and does nothing."""
        self._signal(signal.SIGSTOP)

    def wake(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    async def running(self, *, within: float = 120.0) -> None:
        """Wait until this life carries runs."""
        await eventually(self._says_running, within=within)

    def said(self, text: str) -> int:
        """How often a text stands in its log."""
        return self.log.read_text(encoding="utf-8").count(text) if self.log.exists() else 0

    def _says_running(self) -> bool:
        assert self.alive, self.log.read_text(encoding="utf-8")[-3000:]
        return self.said('"event": "running"') >= self.lives

    def _collect(self) -> None:
        if self._child is not None:
            self._child.wait()

    def _signal(self, number: int) -> None:
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Fleet:
    """The workers of one world; all are gone with the block."""

    def __init__(self, nursery: Nursery, folder: Path, environment: Mapping[str, str]) -> None:
        self._nursery = nursery
        self._folder = folder
        self._environment = environment
        self.workers: dict[str, Worker] = {}

    def start(self, name: str, *, mutant: str | None = None, **more: str) -> Worker:
        """Start a worker under a name."""
        worker = Worker(self._nursery, name, self._folder, {**self._environment, **more}, mutant)
        self.workers[name] = worker
        worker.start()
        return worker

    async def running(self, *names: str, mutant: str | None = None, **more: str) -> list[Worker]:
        """Start workers side by side and wait for all of them."""
        started = [self.start(name, mutant=mutant, **more) for name in names]
        for worker in started:
            await worker.running()
        return started

    @asynccontextmanager
    async def kept_alive(self) -> AsyncIterator[None]:
        """Start whoever has died again, as an orchestrator does."""
        keeping = asyncio.create_task(self._keep_alive())
        try:
            yield
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping
            self._start_the_dead()

    async def _keep_alive(self) -> None:
        while True:
            self._start_the_dead()
            await asyncio.sleep(0.05)

    def _start_the_dead(self) -> None:
        for worker in self.workers.values():
            if not worker.alive:
                worker.start()

    def end(self) -> None:
        """End all."""
        for worker in self.workers.values():
            worker.end()

    def logs(self) -> dict[str, bytes]:
        """What every worker has written."""
        return {name: worker.log.read_bytes() for name, worker in self.workers.items()}


def now() -> float:
    """Seconds that only grow."""
    return time.monotonic()
