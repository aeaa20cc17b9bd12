"""The registry's alias and active_config.yaml follow the head of the ledger; then it is announced.

The alias is last-writer-wins and keeps no trace. So every write of ours is recorded before it is sent, and
the alias is read again directly before it. The write is read back, and judged against the head that stands
*then*; the record is closed only when the alias shows the head.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from domain.announcement import announcement_of
from domain.errors import LaurelError, NeverRetry, TryLater
from domain.ledger import Cause, LedgerEntry
from domain.package_tags import GENERATION_TAG
from domain.points import Point, Points
from domain.ports.config_families import ConfigFamilies
from domain.ports.model_registry import ModelRegistry
from domain.ports.promotion_ledger import AliasWrites, PromotionLedger
from domain.values import VersionTriple
from service.promotion.alias_watch import AliasWatch
from service.promotion.counterparts import CounterpartChecks
from service.promotion.known_versions import KnownVersions
from service.runtime.lazy_log import LaterLog
from service.runtime.metrics import Metrics

log = LaterLog(__name__)


@dataclass(frozen=True)
class LedgerProjector:
    """Projects one model's ledger. Every method is safe to repeat and safe beside other projectors."""

    model_name: str
    worker: str
    ledger: PromotionLedger
    registry: ModelRegistry
    alias_writes: AliasWrites
    config: ConfigFamilies
    points: Points
    metrics: Metrics
    watch: AliasWatch
    checks: CounterpartChecks
    versions: KnownVersions

    async def follow(self) -> LedgerEntry | None:
        """Make alias and defaults show the head, read both back, and return the head that they show."""
        records: list[int] = []
        tagged: LedgerEntry | None = None
        moved = await self._moved_to_new(records)
        while True:
            head, alias = (moved, moved.version) if moved else await self.watch.settled_head()
            moved = None
            if head is None:
                return None
            if head != tagged and await self._lacks_tag(head, alias, tagged):
                await self._tag(head)
                tagged = head
            if alias != head.version:
                if not await self.checks.may_be_shown(head):
                    continue
                records.append(await self._open_record(head))
                if not await self._stands_at({alias}):
                    continue
                alias = await self._write_alias(head)
            await self._write_defaults(head)
            await self.points.at(Point.PROJECT_BEFORE_REREAD)
            if alias == head.version and await self._still_shown(head):
                await self._close(records)
                self.metrics.set("laurel_ledger_generation", head.generation)
                return head

    async def announce_up_to(self, shown: LedgerEntry) -> None:
        """Announce, in order, every generation that alias and defaults show or have passed."""
        ledger_id = await self.ledger.identity()
        for entry in await self.ledger.unannounced(self.model_name):
            if entry.generation <= shown.generation:
                await self.ledger.announce(entry, announcement_of(entry, ledger_id))

    async def show(self) -> LedgerEntry | None:
        """Bring alias, defaults and announcements to the head, whatever a killed process left behind."""
        head = await self.follow()
        if head is not None:
            await self.announce_up_to(head)
        return head

    async def why_not_shown(self) -> str:
        """Show the head; say what prevents it, or nothing."""
        try:
            await self.show()
        except LaurelError as error:
            return error.message
        return ""

    async def _moved_to_new(self, records: list[int]) -> LedgerEntry | None:
        """Move the alias on to a promotion that nobody has announced; None unless it is read back there.

        The ledger says where the alias stands before such a head: one look, directly before the write, tells
        a person's move from that.
        """
        head = await self.ledger.head(self.model_name)
        if head is None or head.cause is not Cause.GATE:
            return None
        waiting = await self.ledger.unannounced(self.model_name)
        if head not in waiting or not await self.checks.may_be_shown(head):
            return None
        number = await self._open_record(head)
        if not await self._stands_at(_places_before(head, waiting)):
            await self.alias_writes.close(number)  # no write was sent
            return None
        records.append(number)
        return head if await self._write_alias(head) == head.version else None

    async def _open_record(self, head: LedgerEntry) -> int:
        number = await self.alias_writes.open(self.model_name, head.version, self.worker)
        await self.points.at(Point.PROJECT_BEFORE_LOOK)
        return number

    async def _stands_at(self, places: Collection[int | None]) -> bool:
        """Look directly before the write: an alias that stands elsewhere is examined.

        Nothing may come between this question and the write.
        """
        return await self.registry.alias_version(self.model_name) in places

    async def _write_alias(self, head: LedgerEntry) -> int | None:
        """Write, and read back what the alias shows then."""
        await self.points.at(Point.PROJECT_BEFORE_ALIAS)
        try:
            await self.registry.set_alias(self.model_name, head.version)
        except NeverRetry as error:
            raise _head_missing(head, error) from error
        await self.points.at(Point.PROJECT_AFTER_ALIAS)
        return await self.registry.alias_version(self.model_name)

    async def _lacks_tag(self, head: LedgerEntry, alias: int | None, tagged: LedgerEntry | None) -> bool:
        """The gate tags what it registers; what comes back has its former generation, a person's none.

        A tag that was written for a former head is written again, even if someone else tagged meanwhile.
        """
        if head.cause is Cause.GATE:
            return False
        if alias != head.version or tagged is not None:
            return True
        return head in await self.ledger.unannounced(self.model_name)

    async def _tag(self, head: LedgerEntry) -> None:
        try:
            known = await self.versions.missing_tags(head.version)
            tags = {**known, GENERATION_TAG: str(head.generation)}
            await self.registry.tag_version(self.model_name, head.version, tags)
        except NeverRetry as error:
            raise _head_missing(head, error) from error

    async def _still_shown(self, head: LedgerEntry) -> bool:
        triple = await self._followed_triple(head)
        if triple is not None and await self.config.defaults() != triple:
            return False
        return await self.ledger.head(self.model_name) == head

    async def _write_defaults(self, head: LedgerEntry) -> None:
        triple = await self._followed_triple(head)
        if triple is not None:
            await self.config.write_defaults(triple)
        elif head.triple is not None:
            facts = {"model": head.model_name, "version": head.version, **head.triple.model_dump()}
            log.warning("defaults_stay", **facts)

    async def _followed_triple(self, head: LedgerEntry) -> VersionTriple | None:
        """What the defaults are to show; None: they stay.

        A run that a person chose may be of another deployment: defaults without files would have every
        request rejected.
        """
        triple = head.triple
        if triple is None or head.cause is Cause.GATE or await self.config.holds(triple):
            return triple
        return None

    async def _close(self, records: list[int]) -> None:
        for number in records:
            await self.alias_writes.close(number)


def _places_before(head: LedgerEntry, waiting: Sequence[LedgerEntry]) -> set[int | None]:
    """Where the alias may stand before it shows a head, if these are all that nobody has announced."""
    return {entry.previous_version for entry in waiting if entry.generation <= head.generation}


def _head_missing(head: LedgerEntry, error: NeverRetry) -> TryLater:
    return TryLater(
        "head_missing",
        f"the registry refuses version {head.version} of {head.model_name}, the head of the ledger "
        f"({error.message}); restore it, or point the alias at a version that exists",
        waiting_on="registry",
        version=head.version,
    )
