"""The registry's alias and active_config.yaml follow the head of the ledger; then it is announced.

The alias is last-writer-wins and keeps no trace. So every write of ours is recorded before it is sent, and
the alias is read again directly before it. The write is read back, and judged against the head that stands
*then*; the record is closed only when the alias shows the head.
"""

import structlog

from domain.errors import NeverRetry, TryLater
from domain.ledger import Cause, LedgerEntry
from domain.package_tags import GENERATION_TAG
from domain.points import Point
from domain.promotion_announcement import announcement_of
from domain.version_triple import VersionTriple
from service.alias_watch import settled_head
from service.counterparts import may_be_shown
from service.known_versions import missing_tags
from service.world import World

log = structlog.get_logger()


class LedgerProjector:
    """Projects one model's ledger. Every method is safe to repeat and safe beside other projectors."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def follow(self) -> LedgerEntry | None:
        """Make alias and defaults show the head, read both back, and return the head that they show."""
        records: list[int] = []
        tagged: LedgerEntry | None = None
        while True:
            head, alias = await settled_head(self._world)
            if head is None:
                return None
            if head != tagged and await self._lacks_tag(head, alias, tagged):
                await self._tag(head)
                tagged = head
            if alias != head.version:
                if not await may_be_shown(self._world, head):
                    continue
                records.append(await self._open_record(head))
                if not await self._stands_as_seen(alias):
                    continue
                await self._write_alias(head)
                alias = await self._world.registry.alias_version(self._world.model_name)
            await self._write_defaults(head)
            await self._world.points.at(Point.PROJECT_BEFORE_REREAD)
            if alias == head.version and await self._still_shown(head):
                await self._close(records)
                self._world.metrics.set("laurel_ledger_generation", head.generation)
                return head

    async def announce_up_to(self, shown: LedgerEntry) -> None:
        """Announce, in order, every generation that alias and defaults show or have passed."""
        ledger_id = await self._world.ledger.identity()
        for entry in await self._world.ledger.unannounced(self._world.model_name):
            if entry.generation <= shown.generation:
                await self._world.ledger.announce(entry, announcement_of(entry, ledger_id))

    async def _open_record(self, head: LedgerEntry) -> int:
        world = self._world
        number = await world.alias_writes.open(world.model_name, head.version, world.worker)
        await world.points.at(Point.PROJECT_BEFORE_LOOK)
        return number

    async def _stands_as_seen(self, seen: int | None) -> bool:
        """Look again, directly before the write: whoever moved the alias since the first look is asked about.

        Nothing may come between this question and the write.
        """
        return await self._world.registry.alias_version(self._world.model_name) == seen

    async def _write_alias(self, head: LedgerEntry) -> None:
        world = self._world
        await world.points.at(Point.PROJECT_BEFORE_ALIAS)
        try:
            await world.registry.set_alias(world.model_name, head.version)
        except NeverRetry as error:
            raise _head_missing(head, error) from error
        await world.points.at(Point.PROJECT_AFTER_ALIAS)

    async def _lacks_tag(self, head: LedgerEntry, alias: int | None, tagged: LedgerEntry | None) -> bool:
        """The gate tags what it registers; what comes back has its former generation, a person's none.

        A tag that was written for a head that is none any more is written again, whoever tagged meanwhile.
        """
        if head.cause is Cause.GATE:
            return False
        if alias != head.version or tagged is not None:
            return True
        return head in await self._world.ledger.unannounced(self._world.model_name)

    async def _tag(self, head: LedgerEntry) -> None:
        try:
            known = await missing_tags(self._world, head.version)
            tags = {**known, GENERATION_TAG: str(head.generation)}
            await self._world.registry.tag_version(self._world.model_name, head.version, tags)
        except NeverRetry as error:
            raise _head_missing(head, error) from error

    async def _still_shown(self, head: LedgerEntry) -> bool:
        triple = await self._followed_triple(head)
        if triple is not None and await self._world.config.defaults() != triple:
            return False
        return await self._world.ledger.head(self._world.model_name) == head

    async def _write_defaults(self, head: LedgerEntry) -> None:
        triple = await self._followed_triple(head)
        if triple is not None:
            await self._world.config.write_defaults(triple)
        elif head.triple is not None:
            facts = {"model": head.model_name, "version": head.version, **head.triple.model_dump()}
            log.warning("defaults_stay", **facts)

    async def _followed_triple(self, head: LedgerEntry) -> VersionTriple | None:
        """What the defaults are to show; None: they stay.

        A run that a person chose may be of another deployment: defaults without files would have every
        request rejected.
        """
        triple = head.triple
        if triple is None or head.cause is Cause.GATE or await self._world.config.holds(triple):
            return triple
        return None

    async def _close(self, records: list[int]) -> None:
        for number in records:
            await self._world.alias_writes.close(number)


def _head_missing(head: LedgerEntry, error: NeverRetry) -> TryLater:
    return TryLater(
        "head_missing",
        f"the registry refuses version {head.version} of {head.model_name}, the head of the ledger "
        f"({error.message}); restore it, or point the alias at a version that exists",
        waiting_on="registry",
        version=head.version,
    )
