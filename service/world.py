"""Everything that a lifecycle needs of the world, gathered once by the composition root."""

from collections.abc import Callable
from dataclasses import dataclass, field

from domain.points import Points
from domain.ports.alias_writes import AliasWrites
from domain.ports.clock import Clock
from domain.ports.config_families import ConfigFamilies
from domain.ports.dataset_files import DatasetFiles
from domain.ports.dataset_versions import DatasetVersions
from domain.ports.experiment_tracker import ExperimentTracker
from domain.ports.first_uses import FirstUses
from domain.ports.master_rows import MasterRows
from domain.ports.model_registry import ModelRegistry
from domain.ports.promotion_ledger import PromotionLedger
from domain.ports.run_store import RunStore
from domain.ports.trainer import Trainer
from domain.promotion_policy import PromotionPolicy
from service.anchor import Anchor
from service.metrics import Metrics
from service.provenance import Provenance
from service.waits import Waits


@dataclass(frozen=True)
class Heavy:
    """The ports whose work runs in child processes: one set for each lifecycle that a worker carries.

    `hold_until` says until when (`time.monotonic()`) the lease is certain: what then still runs is killed,
    even while this process is stopped. None: for ever.
    """

    files: DatasetFiles
    versions: DatasetVersions
    trainer: Trainer
    hold_until: Callable[[float | None], None]


@dataclass(frozen=True)
class World:
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
