"""Convergence: every replica serves the head of the ledger, or it is said why not.

A round reads the head, finds the replicas again, and reloads each in a task of its own: one that hangs delays
nobody. A promotion begins a round at once; otherwise there is one after every pause, which heals what lags or
came up late. The ledger's head alone is what is wanted: no event, however old, takes a replica back.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Final

from domain.convergence import Replica, RolloutTarget
from domain.errors import LaurelError
from domain.ports.inference_servers import InferenceServers
from domain.ports.promotion_ledger import PromotionLedger
from service.rollout.convergence_status import wanted_by
from service.rollout.replica_events import ReplicaReports
from service.rollout.replica_reloader import ReplicaReloader
from service.runtime.lazy_log import LaterLog
from service.runtime.metrics import Metrics

_LEDGER_SECONDS: Final = 2.0  # while the store is away, the event itself is what is known

log = LaterLog("laurel.convergence")


class Convergence:
    """Follows the ledger of one model; `promoted` may be called at any time, `run` lives until cancelled."""

    def __init__(
        self,
        ledger: PromotionLedger,
        servers: InferenceServers,
        reloader: ReplicaReloader,
        reports: ReplicaReports,
        *,
        model_name: str,
        metrics: Metrics,
        poll_seconds: float,
    ) -> None:
        self._ledger = ledger
        self._servers = servers
        self._reloader = reloader
        self._reports = reports
        self._model_name = model_name
        self._metrics = metrics
        self._poll_seconds = poll_seconds
        self._wanted: RolloutTarget | None = None
        self._heard: RolloutTarget | None = None
        self._ledger_away = False
        self._news = asyncio.Event()
        self._finding: asyncio.Task[None] | None = None
        self._tasks: dict[Replica, asyncio.Task[None]] = {}

    def promoted(self, wanted: RolloutTarget) -> None:
        """Begin a round now, unless it says nothing new: all may be heard again from the first.

        What an event says counts only while the ledger cannot be read.
        """
        if self._wanted is None or wanted.generation > self._wanted.generation:
            self._heard = _newer(self._heard, wanted)
            self._news.set()

    async def run(self) -> None:
        """Round after round."""
        try:
            while True:
                self._news.clear()
                await self.round()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_seconds):
                        await self._news.wait()
        finally:
            await _ended([self._finding, *self._tasks.values()])

    async def round(self) -> None:
        """Read what is wanted and see to it that every replica is pursued; returns while that goes on."""
        self._wanted = await self._head()
        for replica in list(self._tasks):
            self._follow(replica)
        if self._finding is None or self._finding.done():
            self._finding = asyncio.create_task(self._find(), name="finding replicas")

    async def settled(self) -> None:
        """Return when no replica is being pursued."""
        while busy := [task for task in (self._finding, *self._tasks.values()) if task and not task.done()]:
            await asyncio.wait(busy)

    async def _find(self) -> None:
        """Find the replicas again while the known ones are reloaded: a resolver takes its time."""
        replicas = await self._servers.replicas()
        gone = self._tasks.keys() - set(replicas)
        await _ended([self._tasks.pop(replica) for replica in gone])
        self._reports.keep_only(replicas)
        for replica in replicas:
            self._follow(replica)
        await self._reports.tell()

    async def _head(self) -> RolloutTarget | None:
        heard = self._heard
        try:
            async with asyncio.timeout(_LEDGER_SECONDS):
                entry = await self._ledger.head(self._model_name)
        except (LaurelError, TimeoutError) as error:
            if not self._ledger_away:
                log.warning("ledger_not_read", why=str(error) or "no answer in time")
            self._ledger_away = True
            return _newer(self._wanted, heard)
        self._ledger_away = False
        if self._heard is heard:
            self._heard = None
        if entry is not None:
            self._metrics.set("laurel_ledger_generation", entry.generation)
        return None if entry is None else wanted_by(entry)

    def _follow(self, replica: Replica) -> None:
        """Reload it, unless that is under way: a running reload looks for news before it ends."""
        task = self._tasks.get(replica)
        if task is None or task.done():
            self._tasks[replica] = asyncio.create_task(self._converge_safely(replica), name=replica.name)

    async def _converge_safely(self, replica: Replica) -> None:
        try:
            await self._converge(replica)
        except Exception:
            log.exception("defect", replica=replica.name)

    def _still_wants(self, target: RolloutTarget) -> bool:
        return self._wanted == target

    async def _converge(self, replica: Replica) -> None:
        while True:
            wanted = self._wanted
            if wanted is None:
                observation = await self._reloader.look(replica)
            else:
                observation = await self._reloader.bring(
                    replica,
                    wanted,
                    still_wanted=partial(self._still_wants, wanted),
                    once=self._reports.knows_to_differ(replica, wanted),
                )
                if observation.is_ahead_of(wanted):
                    self._wanted = await self._head()
                    if self._wanted == wanted:
                        observation = await self._reloader.overrule(replica, wanted, observation)
            if self._wanted == wanted or (wanted is not None and observation.serves(wanted)):
                await self._reports.saw(replica, observation, wanted)
            if self._wanted == wanted:
                return


def _newer(one: RolloutTarget | None, other: RolloutTarget | None) -> RolloutTarget | None:
    if one is None or other is None:
        return one or other
    return other if other.generation > one.generation else one


async def _ended(tasks: Iterable[asyncio.Task[None] | None]) -> None:
    """Cancel them, and return when they are over."""
    running = [task for task in tasks if task is not None and not task.done()]
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)
