"""The ports of one actor, and what is composed of them; composition roots alone know all of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from domain.points import Points
from domain.ports.bars import Holds, Quarantines
from domain.ports.clock import Clock
from domain.ports.config_families import ConfigFamilies
from domain.ports.dataset_files import FirstUses, MasterRows
from domain.ports.experiment_tracker import ExperimentTracker
from domain.ports.model_registry import ModelRegistry
from domain.ports.promotion_ledger import AliasWrites, PromotionLedger
from domain.ports.run_store import RunStore
from domain.promotion_checks import PromotionPolicy
from service.promotion.alias_watch import AliasWatch
from service.promotion.anchor import Anchor
from service.promotion.bars import PromotionBars
from service.promotion.counterparts import CounterpartChecks
from service.promotion.known_versions import KnownVersions
from service.promotion.projector import LedgerProjector
from service.runtime.metrics import Metrics, Waits
from service.runtime.provenance import Provenance


@dataclass(frozen=True)
class RunPorts:
    """The light ports, the policy and who is acting; shared by all lifecycles of a worker.

    `anchor` is what was announced. `sign` signs registered versions; None without a key.
    """

    model_name: str
    worker: str
    policy: PromotionPolicy
    provenance: Provenance
    store: RunStore
    first_uses: FirstUses
    master_rows: MasterRows
    ledger: PromotionLedger
    alias_writes: AliasWrites
    holds: Holds
    quarantines: Quarantines
    config: ConfigFamilies
    tracker: ExperimentTracker
    registry: ModelRegistry
    clock: Clock
    points: Points
    metrics: Metrics
    anchor: Anchor
    max_event_bytes: int
    sign: Callable[[bytes], str] | None = None
    waits: Waits = field(default_factory=Waits)

    @cached_property
    def checks(self) -> CounterpartChecks:
        """Compares the ledger with its counterparts."""
        return CounterpartChecks(
            self.model_name, self.ledger, self.registry, self.store, self.anchor, self.metrics
        )

    @cached_property
    def bars(self) -> PromotionBars:
        """Reads what bars a promotion."""
        return PromotionBars(self.holds, self.quarantines)

    @cached_property
    def versions(self) -> KnownVersions:
        """Reads registered versions."""
        return KnownVersions(self.model_name, self.registry, self.store, self.tracker, self.sign)

    @cached_property
    def watch(self) -> AliasWatch:
        """Watches the alias."""
        return AliasWatch(
            model_name=self.model_name,
            worker=self.worker,
            ledger=self.ledger,
            registry=self.registry,
            alias_writes=self.alias_writes,
            clock=self.clock,
            metrics=self.metrics,
            checks=self.checks,
            versions=self.versions,
        )

    def projector(self, kind: type[LedgerProjector] = LedgerProjector) -> LedgerProjector:
        """Shows the head of the ledger."""
        return kind(
            model_name=self.model_name,
            worker=self.worker,
            ledger=self.ledger,
            registry=self.registry,
            alias_writes=self.alias_writes,
            config=self.config,
            points=self.points,
            metrics=self.metrics,
            watch=self.watch,
            checks=self.checks,
            versions=self.versions,
        )
