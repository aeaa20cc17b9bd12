"""A champion whose version is gone from the registry is noticed, and announced once for each loss."""

from dataclasses import dataclass, field
from typing import Final

from domain.announcement import missing_announcement
from domain.ports.champion_history import ChampionLosses
from domain.ports.clock import Clock
from domain.ports.ledger_reads import LedgerReads
from domain.ports.model_registry import ModelRegistry
from service.runtime.lazy_log import LaterLog
from service.runtime.told_once import ToldOnce

log = LaterLog(__name__)

POLL_SECONDS: Final = 30.0  # one call to the registry in a time in which nobody misses a deleted version


@dataclass(frozen=True)
class LossWatch:
    """Looks for the version of the ledger's head, at long intervals.

    The registry drops the alias with the version that it named, and says nothing of it to anybody.
    """

    model_name: str
    ledger: LedgerReads
    registry: ModelRegistry
    losses: ChampionLosses
    clock: Clock
    pause_seconds: float = POLL_SECONDS
    failures: ToldOnce = field(default_factory=lambda: ToldOnce("champion_not_looked_for"))

    async def run_forever(self) -> None:
        """Look after every pause; a service that is away is looked at the next time."""
        while True:
            await self.clock.sleep(self.pause_seconds)
            with self.failures.told():
                await self.look()

    async def look(self) -> None:
        """Look once. Safe to repeat, and beside other workers: a loss has one id, whoever tells of it."""
        head = await self.ledger.head(self.model_name)
        if head is None:
            return
        if await self.registry.version(self.model_name, head.version) is not None:
            await self.losses.ended(self.model_name, head.generation)
            return
        loss = await self.losses.noticed(self.model_name, head.generation)
        await self.losses.announce(missing_announcement(head, loss))
        log.error("champion_missing", model=self.model_name, version=head.version, generation=head.generation)
