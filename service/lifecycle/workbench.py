"""The light part of the composition root: the world that commands act in, and that a worker runs in."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from config.settings import Settings
from domain.counterparts import Announced
from domain.points import NO_POINTS, Points
from domain.ports.bars import Holds, Quarantines
from domain.ports.config_families import ConfigFamilies
from domain.ports.dataset_files import FirstUses, MasterRows
from domain.ports.experiment_tracker import ExperimentTracker
from domain.ports.inference_servers import InferenceServers
from domain.ports.messages import Outbox
from domain.ports.model_registry import ModelRegistry
from domain.ports.promotion_ledger import AliasWrites, Announcements, PromotionLedger
from domain.ports.run_store import RunStore
from service.adapters.files.config_families import FileConfigFamilies
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.experiment_tracker import MlflowExperimentTracker
from service.adapters.mlflow.model_registry import MlflowModelRegistry
from service.adapters.mlflow.rest import MlflowRest
from service.adapters.postgres.alias_writes import PostgresAliasWrites
from service.adapters.postgres.database import Database, open_database
from service.adapters.postgres.first_uses import PostgresFirstUses
from service.adapters.postgres.holds import PostgresHolds
from service.adapters.postgres.master_rows import PostgresMasterRows
from service.adapters.postgres.outbox import PostgresOutbox
from service.adapters.postgres.promotion_ledger import PostgresPromotionLedger
from service.adapters.postgres.quarantines import PostgresQuarantines
from service.adapters.postgres.run_store import PostgresRunStore
from service.adapters.postgres.schema_version import require_current_schema
from service.lifecycle.futures import both
from service.lifecycle.registry import open_mlflow
from service.lifecycle.run_ports import RunPorts
from service.lifecycle.settings_values import kafka_connection, mlflow_access, promotion_policy
from service.promotion.anchor import Anchor
from service.promotion.recovery import Recovery
from service.runtime.metrics import Metrics, UnreadMetrics
from service.runtime.provenance import provenance

if TYPE_CHECKING:
    from service.promotion.promoting import PersonPromotion
    from service.promotion.repair import Repair
    from service.promotion.rollback import Rollback


@dataclass(frozen=True)
class WorldMakers:
    """How the replaceable parts of a world are made."""

    run_store: Callable[[Database], RunStore] = PostgresRunStore
    outbox: Callable[[Database, str], Outbox] = PostgresOutbox
    ledger: Callable[[Database], PromotionLedger] = PostgresPromotionLedger
    alias_writes: Callable[[Database], AliasWrites] = PostgresAliasWrites
    first_uses: Callable[[Database, str], FirstUses] = PostgresFirstUses
    master_rows: Callable[[Database, str], MasterRows] = PostgresMasterRows
    holds: Callable[[Database, str], Holds] = PostgresHolds
    quarantines: Callable[[Database, str], Quarantines] = PostgresQuarantines
    tracker: Callable[..., ExperimentTracker] = MlflowExperimentTracker
    registry: Callable[..., ModelRegistry] = MlflowModelRegistry


@asynccontextmanager
async def open_world(settings: Settings, actor: str) -> AsyncIterator[RunPorts]:
    """Open what a command acts in under the name `actor`; it claims no run and has no child.

    Raises Stop when the schema is not this version's, TryLater while a service is away.
    """
    opening = open_database(settings.sqlalchemy_url, application="laurel-cli")
    async with open_mlflow(settings) as rest, opening as database:
        await require_current_schema(database)
        config = FileConfigFamilies(settings.config_root)
        yield world_of(settings, database, actor, rest, config, NO_POINTS, UnreadMetrics(), WorldMakers())


def world_of(
    settings: Settings,
    database: Database,
    actor: str,
    rest: MlflowRest,
    config: ConfigFamilies,
    points: Points,
    metrics: Metrics,
    makers: WorldMakers,
) -> RunPorts:
    """Gather what a lifecycle needs of the world, under the name `actor`."""
    clock = database.clock
    return RunPorts(
        model_name=settings.mlflow_model_name,
        worker=actor,
        policy=promotion_policy(settings),
        provenance=provenance(),
        store=makers.run_store(database),
        first_uses=makers.first_uses(database, settings.mlflow_model_name),
        master_rows=makers.master_rows(database, settings.mlflow_model_name),
        ledger=makers.ledger(database),
        alias_writes=makers.alias_writes(database),
        holds=makers.holds(database, settings.mlflow_model_name),
        quarantines=makers.quarantines(database, settings.mlflow_model_name),
        config=config,
        tracker=makers.tracker(rest, settings.mlflow_experiment, clock),
        registry=makers.registry(rest, settings.mlflow.alias),
        clock=clock,
        points=points,
        metrics=metrics,
        anchor=_anchor(settings),
        max_event_bytes=settings.kafka.max_event_bytes,
        sign=_sign(settings),
    )


def recovery_in(
    world: RunPorts, announcements: Announcements, servers: InferenceServers | None = None
) -> Recovery:
    """Compose what goes on after a restore."""
    return Recovery(
        model_name=world.model_name,
        worker=world.worker,
        ledger=world.ledger,
        registry=world.registry,
        clock=world.clock,
        checks=world.checks,
        versions=world.versions,
        projector=world.projector(),
        announcements=announcements,
        servers=servers,
    )


def repair_in(world: RunPorts, access: MlflowAccess) -> "Repair":
    """Compose the repair of a champion."""
    from service.promotion.repair import Repair  # noqa: PLC0415 - one command alone repairs

    return Repair(
        model_name=world.model_name,
        worker=world.worker,
        ledger=world.ledger,
        registry=world.registry,
        tracker=world.tracker,
        clock=world.clock,
        checks=world.checks,
        versions=world.versions,
        projector=world.projector(),
        access=access,
    )


def rollback_in(
    world: RunPorts, settings: Settings, show: Callable[[], Awaitable[str]] | None = None
) -> "Rollback":
    """Compose the way back; `show` brings alias and defaults to the head, by itself unless given."""
    from service.promotion.package_check import files_check  # noqa: PLC0415 - who steps back alone needs it
    from service.promotion.returnable import Returnable  # noqa: PLC0415 - likewise
    from service.promotion.rollback import Rollback  # noqa: PLC0415 - likewise

    returnable = Returnable(
        versions=world.versions,
        ledger=world.ledger,
        quarantines=world.quarantines,
        check_files=files_check(mlflow_access(settings)),
        allow_foreign=settings.scores_foreign_champions,
        has_servers=bool(settings.inference_servers),
    )
    return Rollback(
        model_name=world.model_name,
        ledger=world.ledger,
        clock=world.clock,
        points=world.points,
        watch=world.watch,
        checks=world.checks,
        returnable=returnable,
        store=world.store,
        show=show or world.projector().why_not_shown,
        both=both,
    )


def promotion_in(
    world: RunPorts, settings: Settings, show: Callable[[], Awaitable[str]] | None = None
) -> "PersonPromotion":
    """Compose what a person promotes with; `show` as for `rollback_in`."""
    from service.promotion.package_check import files_check  # noqa: PLC0415 - who decides alone needs it
    from service.promotion.promoting import PersonPromotion  # noqa: PLC0415 - likewise

    return PersonPromotion(
        model_name=world.model_name,
        ledger=world.ledger,
        clock=world.clock,
        points=world.points,
        watch=world.watch,
        checks=world.checks,
        versions=world.versions,
        quarantines=world.quarantines,
        check_files=files_check(mlflow_access(settings)),
        allow_foreign=settings.scores_foreign_champions,
        show=show or world.projector().why_not_shown,
    )


def _anchor(settings: Settings) -> Anchor:
    return Anchor(_LaterAnnouncements(kafka_connection(settings)), settings.mlflow_model_name)


class _LaterAnnouncements:
    """Loads Kafka's client at the first question, in a thread: that takes 100 ms, and others are asked."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection

    async def newest(self, model_name: str) -> Announced | None:
        """As `KafkaAnnouncements`."""
        return await (await asyncio.to_thread(self._loaded)).newest(model_name)

    async def all(self, model_name: str) -> Sequence[Announced]:
        """As `KafkaAnnouncements`."""
        return await (await asyncio.to_thread(self._loaded)).all(model_name)

    def _loaded(self) -> Announcements:
        from service.adapters.kafka.announcements import KafkaAnnouncements  # noqa: PLC0415 - see above

        return KafkaAnnouncements(self._connection)


def _sign(settings: Settings) -> Callable[[bytes], str] | None:
    """Who signs registered versions. Raises Stop `bad_key`."""
    if settings.signing.key_file is None:
        return None
    from service.adapters.cryptography.ed25519 import Ed25519Signer  # noqa: PLC0415 - 40 ms of a start

    return Ed25519Signer(settings.signing.key_file).sign
