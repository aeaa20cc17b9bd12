"""Who moved the alias: the ledger's way to its head, a late write of our own, or a person."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from domain.adoption import adopted_entry
from domain.errors import GenerationTaken
from domain.ledger import Cause, LedgerEntry, next_entry
from domain.override import seen_of_override
from domain.ports.clock import Clock
from domain.ports.model_registry import ModelRegistry
from domain.ports.promotion_ledger import AliasWrites, PromotionLedger
from domain.values import VersionTriple
from service.promotion.counterparts import CounterpartChecks
from service.promotion.known_versions import FoundVersion, KnownVersions
from service.runtime.lazy_log import LaterLog
from service.runtime.metrics import Metrics

log = LaterLog(__name__)


@dataclass(frozen=True)
class AliasWatch:
    """Watches one model's alias; `worker` is who records what a person did to it."""

    model_name: str
    worker: str
    ledger: PromotionLedger
    registry: ModelRegistry
    alias_writes: AliasWrites
    clock: Clock
    metrics: Metrics
    checks: CounterpartChecks
    versions: KnownVersions

    async def settled_head(
        self, read_alias: Callable[[], Awaitable[int | None]] | None = None
    ) -> tuple[LedgerEntry | None, int | None]:
        """Return the head of the ledger and the alias's version, after what people did to the alias.

        `read_alias` is for callers that need more of the registry's answer than the alias.

        A version that the alias names and nobody of us set becomes a generation: `adopted` on an empty
        ledger, `override` otherwise. No head means that the ledger is empty and the registry itself says
        "no alias". Raises ModelUnusable `alias_unusable` for a version that cannot be one: it becomes no
        generation. Raises NeverRetry when ledger, registry and topic do not agree: then nobody knows
        whose move it was.
        """
        while True:
            head = await self.ledger.head(self.model_name)
            alias = await (read_alias() if read_alias else self.registry.alias_version(self.model_name))
            if alias is None:
                await self._tell_if_missing(head)
                return head, alias
            if head is not None and await self._is_ours(head, alias):
                return head, alias
            if head is None or await self._is_a_persons(alias):
                await self._record(head, alias)

    async def _tell_if_missing(self, head: LedgerEntry | None) -> None:
        """An alias that was shown before and is gone was deleted: it comes back, but not in silence."""
        if head is not None and not await self.ledger.unannounced(self.model_name):
            log.warning("alias_missing", model=self.model_name, head=head.version)

    async def _is_ours(self, head: LedgerEntry, alias: int) -> bool:
        if alias in await self._on_its_way(head):
            return True
        return await self.alias_writes.is_open(self.model_name, alias)

    async def _is_a_persons(self, alias: int) -> bool:
        """Look closely: a late write of ours may have been repaired, its record closed, since the first look.

        The process of ours that wrote the alias has a record open: it closes the record only when the
        alias shows the head. So while no write of ours begins or ends, what stands under no open record
        is a person's.
        """
        before = await self.alias_writes.traffic(self.model_name)
        stands = await self.registry.alias_version(self.model_name) == alias
        unknown = not await self.alias_writes.is_open(self.model_name, alias)
        return stands and unknown and await self.alias_writes.traffic(self.model_name) == before

    async def _on_its_way(self, head: LedgerEntry) -> set[int]:
        """Versions that the alias may show on its way to the head: the last announced one, all after it."""
        waiting = await self.ledger.unannounced(self.model_name)
        versions = {head.version, *(entry.version for entry in waiting)}
        if waiting and waiting[0].previous_version is not None:
            versions.add(waiting[0].previous_version)
        return versions

    async def _record(self, head: LedgerEntry | None, version: int) -> None:
        try:
            await self.checks.require_agreement(head)
            entry = await self._entry(head, await self.versions.usable_version(version))
            await self.ledger.append(entry)
        except GenerationTaken:
            return  # another entry is the head now: the caller looks again
        if head is not None:
            self.metrics.count("laurel_overrides_total")
        log.warning(
            "champion_overridden" if head else "champion_adopted", model=self.model_name, version=version
        )

    async def _entry(self, head: LedgerEntry | None, found: FoundVersion) -> LedgerEntry:
        version, triple = found.version.version, found.run.triple if found.run else None
        run_id = found.version.mlflow_run_id if triple else None
        if head is None:
            at = self.clock.now()
            return adopted_entry(
                self.model_name,
                version,
                actor=self.worker,
                at=at,
                triple=triple,
                mlflow_run_id=run_id,
                model_digest=found.version.digest,
            )
        triple = triple or await triple_of(self.ledger, self.model_name, version)
        return next_entry(
            self.model_name,
            head,
            version=version,
            cause=Cause.OVERRIDE,
            triple=triple,
            mlflow_run_id=run_id,
            reasons=seen_of_override(head, found.version, found.run),
            actor=self.worker,
            at=self.clock.now(),
            model_digest=found.version.digest,
        )


async def triple_of(ledger: PromotionLedger, model_name: str, version: int) -> VersionTriple | None:
    """The triple that the ledger itself knows of a version whose run tells none any more."""
    known = await ledger.of_version(model_name, version)
    return known.triple if known else None
