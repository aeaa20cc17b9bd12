"""Convergence: every replica serves the head of the ledger, or it is said why not.

A round reads the head, finds the replicas anew, and pursues each in a task of its own: one that hangs delays
nobody. A promotion begins a round at once; otherwise there is one after every pause, which heals what lags or
came up late. The ledger's head alone is what is wanted: no event, however old, takes a replica back.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import structlog

from domain.convergence import Replica, Wanted
from domain.errors import LaurelError
from domain.ledger import LedgerEntry
from domain.ports.inference_servers import InferenceServers
from domain.ports.promotion_ledger import PromotionLedger
from domain.promotion_announcement import promotion_event_id
from service.metrics import Metrics
from service.pursuit import Pursuit
from service.replica_reports import ReplicaReports

_LEDGER_SECONDS: Final = 2.0  # while the store is away, the event itself is what is known

log = structlog.get_logger("laurel.convergence")


class Convergence:
    """Follows the ledger of one model; `promoted` may be called at any time, `run` lives until cancelled."""

    def __init__(
        self,
        ledger: PromotionLedger,
        servers: InferenceServers,
        pursuit: Pursuit,
        reports: ReplicaReports,
        *,
        model_name: str,
        metrics: Metrics,
        look_seconds: float,
    ) -> None:
        self._ledger = ledger
        self._servers = servers
        self._pursuit = pursuit
        self._reports = reports
        self._model_name = model_name
        self._metrics = metrics
        self._look_seconds = look_seconds
        self._wanted: Wanted | None = None
        self._heard: Wanted | None = None
        self._ledger_away = False
        self._news = asyncio.Event()
        self._finding: asyncio.Task[None] | None = None
        self._tasks: dict[Replica, asyncio.Task[None]] = {}

    def promoted(self, wanted: Wanted) -> None:
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
                    async with asyncio.timeout(self._look_seconds):
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
        """Find the replicas anew, beside the pursuit of those that are known: a resolver takes its time."""
        replicas = await self._servers.replicas()
        gone = self._tasks.keys() - set(replicas)
        await _ended([self._tasks.pop(replica) for replica in gone])
        self._reports.keep_only(replicas)
        for replica in replicas:
            self._follow(replica)
        await self._reports.tell()

    async def _head(self) -> Wanted | None:
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
        """Pursue it, unless that is under way: whoever pursues looks for news before the end."""
        task = self._tasks.get(replica)
        if task is None or task.done():
            self._tasks[replica] = asyncio.create_task(self._pursue_safely(replica), name=replica.name)

    async def _pursue_safely(self, replica: Replica) -> None:
        try:
            await self._pursue(replica)
        except Exception:
            log.exception("defect", replica=replica.name)

    async def _pursue(self, replica: Replica) -> None:
        while True:
            wanted = self._wanted
            if wanted is None:
                sight = await self._pursuit.look(replica)
            else:
                sight = await self._pursuit.bring(
                    replica,
                    wanted,
                    still_wanted=lambda looked=wanted: self._wanted == looked,  # type: ignore[misc]
                    once=self._reports.knows_to_differ(replica, wanted),
                )
                if sight.is_ahead_of(wanted):
                    self._wanted = await self._head()
            if self._wanted == wanted or (wanted is not None and sight.serves(wanted)):
                await self._reports.saw(replica, sight, wanted)
            if self._wanted == wanted:
                return


def wanted_by(entry: LedgerEntry) -> Wanted:
    """What a generation asks of every replica."""
    return Wanted(
        generation=entry.generation,
        version=entry.version,
        promoted_at=entry.at,
        promotion_id=promotion_event_id(entry),
        correlation_id=entry.correlation_id,
        digest=entry.model_digest,
    )


def _newer(one: Wanted | None, other: Wanted | None) -> Wanted | None:
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
