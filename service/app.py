"""THE composition root: every adapter is made here, and, for the reload listener, in `service/listener.py`.

`open_worker` gives the worker's parts. What a proof wants to break it replaces in `Makers`; the product uses
the defaults.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from config.settings import Settings
from config.topics import EVENT_TOPICS, TOPICS, requests_group
from domain.errors import Stop, TryLater
from domain.events import DEAD_LETTER_TOPIC, REQUEST_TOPIC
from domain.faults import Fault
from domain.model_definition import Estimator
from domain.points import NO_POINTS, Point, Points
from domain.ports.alias_writes import AliasWrites
from domain.ports.config_families import ConfigFamilies
from domain.ports.experiment_tracker import ExperimentTracker
from domain.ports.first_uses import FirstUses
from domain.ports.master_rows import MasterRows
from domain.ports.model_registry import ModelRegistry
from domain.ports.outbox import Outbox
from domain.ports.promotion_ledger import PromotionLedger
from domain.ports.remotes import Remotes
from domain.ports.run_store import RunStore
from handlers.training_requested import on_training_requested
from service.adapters.files.atomic import AtomicFiles
from service.adapters.files.config_families import FileConfigFamilies
from service.adapters.kafka.announcements import KafkaAnnouncements
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.dead_letters import KafkaDeadLetters
from service.adapters.kafka.delivery import KafkaDelivery
from service.adapters.kafka.group_start import committed_offsets
from service.adapters.kafka.publisher import KafkaPublisher
from service.adapters.kafka.topic_provisioning import smallest_event_limit
from service.adapters.mlflow.experiment_tracker import MlflowExperimentTracker
from service.adapters.mlflow.experiments import Experiments
from service.adapters.mlflow.model_registry import MlflowModelRegistry
from service.adapters.mlflow.rest import MlflowRest
from service.adapters.postgres.alias_writes import PostgresAliasWrites
from service.adapters.postgres.database import Database, open_database
from service.adapters.postgres.first_uses import PostgresFirstUses
from service.adapters.postgres.master_rows import PostgresMasterRows
from service.adapters.postgres.outbox import PostgresOutbox
from service.adapters.postgres.promotion_ledger import PostgresPromotionLedger
from service.adapters.postgres.rehearsal import rehearse
from service.adapters.postgres.remotes import PostgresRemotes
from service.adapters.postgres.run_store import PostgresRunStore
from service.adapters.postgres.schema import require_current, upgrade
from service.adapters.postgres.sessions import require_sessions
from service.adapters.postgres.stored_places import newest_stored
from service.adapters.postgres.worker_identity import WorkerIdentity, hold_worker_identity
from service.aftercare import PICTURES_CHORE, Aftercare
from service.anchor import Anchor
from service.children.pool import Children, ChildSet
from service.counterparts import CounterpartLooks, begin
from service.heavy.dataset_files import ChildDatasetFiles
from service.heavy.dataset_versions import ChildDatasetVersions
from service.heavy.desk import TASKS, Desk, Places, RunsTasks
from service.heavy.pictures import Bench, Pictures
from service.heavy.remote_watch import RemoteWatch
from service.heavy.trainer import ChildTrainer
from service.kafka_parts import open_inbox, refuse_missing_topics
from service.ledger_projector import LedgerProjector
from service.master_rows import MasterLooks
from service.metrics import Metrics
from service.outbox_relay import OutboxRelay
from service.provenance import provenance
from service.reconciler import STATUS_CHORE, Reconciler
from service.rereading import tell_what_may_be_lost
from service.retention import Retention
from service.role import Parts
from service.roots import require_roots
from service.runner import Runner
from service.settings_values import (
    children_settings,
    database_seconds,
    kafka_connection,
    mlflow_access,
    promotion_policy,
    require_usable_trust,
    retry_policy,
    worker_name,
)
from service.world import Heavy, World
from service.written_folders import dvc_folders, written_folders

_SAFE_SECONDS = 3600.0  # beyond the longest task, before what it was writing counts as abandoned


@dataclass(frozen=True)
class Makers:
    """How the replaceable parts are made."""

    handle: Callable[..., Any] = on_training_requested
    run_store: Callable[[Database], RunStore] = PostgresRunStore
    outbox: Callable[[Database, str], Outbox] = PostgresOutbox
    ledger: Callable[[Database], PromotionLedger] = PostgresPromotionLedger
    alias_writes: Callable[[Database], AliasWrites] = PostgresAliasWrites
    first_uses: Callable[[Database, str], FirstUses] = PostgresFirstUses
    master_rows: Callable[[Database, str], MasterRows] = PostgresMasterRows
    tracker: Callable[..., ExperimentTracker] = MlflowExperimentTracker
    registry: Callable[..., ModelRegistry] = MlflowModelRegistry
    files: Callable[[], AtomicFiles] = AtomicFiles
    projector: Callable[[World], LedgerProjector] = LedgerProjector
    relay: Callable[..., OutboxRelay] = OutboxRelay
    tasks: Mapping[str, str] = field(default_factory=lambda: TASKS)


PRODUCT = Makers()


@asynccontextmanager
async def open_worker(
    settings: Settings, metrics: Metrics, *, points: Points = NO_POINTS, makers: Makers = PRODUCT
) -> AsyncIterator[Parts]:
    """Open a worker's parts. Raises TryLater while a service is away, Stop for what can never work."""
    roots = {"CONFIG_ROOT": settings.config_root, "DATA_ROOT": settings.data_root}
    await asyncio.to_thread(require_roots, roots, written_folders(settings))
    require_usable_trust(settings)
    async with AsyncExitStack() as stack:
        children = Children(children_settings(settings), sets=settings.worker.lifecycles_at_once)
        stack.push_async_callback(children.stop)
        warming = asyncio.create_task(children.start())  # 2 s that nothing else has to wait for
        stack.callback(warming.cancel)
        database, identity = await _open_store(settings, stack)
        rest = MlflowRest(mlflow_access(settings))
        stack.push_async_callback(rest.close)
        sets = [
            await stack.enter_async_context(children.lease())
            for _ in range(settings.worker.lifecycles_at_once)
        ]
        desk = _desk(settings, sets[0], makers)
        config = FileConfigFamilies(
            settings.config_root,
            estimator_faults=_estimator_faults(desk),
            files=makers.files(),
            points=points,
        )
        world = _world(settings, database, identity.name, rest, config, points, metrics, makers)
        await world.store.release_all(identity.name)
        await begin(world)
        remotes = PostgresRemotes(database, settings.mlflow_model_name)
        parts = _worker_parts(settings, world, remotes, children, sets, makers)
        await _open_kafka(settings, parts, world, database, metrics, stack, makers)
        with suppress(TryLater):  # it only makes the first request as fast as the others
            await rehearse(database)
        await warming
        parts.tasks["identity"] = identity.keep
        experiment = Experiments(rest, settings.mlflow_experiment)
        parts.pings |= {"postgres": database.ping, "mlflow": experiment.ping, "children": _ping(children)}
        yield parts


@dataclass(frozen=True)
class Reading:
    """What commands look into; nothing here is changed by looking."""

    store: RunStore
    ledger: PromotionLedger
    outbox: Outbox
    registry: ModelRegistry
    tracker: ExperimentTracker
    database: Database
    rest: MlflowRest


@asynccontextmanager
async def open_reading(settings: Settings) -> AsyncIterator[Reading]:
    """Open what commands read from. Raises Stop when the schema is not this version's, or for a pooler."""
    await require_sessions(settings.sqlalchemy_url)
    await asyncio.to_thread(require_current, settings.sqlalchemy_url)
    rest = MlflowRest(mlflow_access(settings))
    try:
        async with open_database(settings.sqlalchemy_url, application="laurel-cli") as database:
            yield Reading(
                store=PostgresRunStore(database),
                ledger=PostgresPromotionLedger(database),
                outbox=PostgresOutbox(database, settings.mlflow_model_name),
                registry=MlflowModelRegistry(rest, settings.mlflow.alias),
                tracker=MlflowExperimentTracker(rest, settings.mlflow_experiment, database.clock),
                database=database,
                rest=rest,
            )
    finally:
        await rest.close()


@asynccontextmanager
async def open_world(settings: Settings, actor: str) -> AsyncIterator[World]:
    """Open what a command acts in under the name `actor`; it claims no run and has no child.

    Raises Stop when the schema is not this version's, TryLater while a service is away.
    """
    await asyncio.to_thread(require_current, settings.sqlalchemy_url)
    rest = MlflowRest(mlflow_access(settings))
    try:
        async with open_database(settings.sqlalchemy_url, application="laurel-cli") as database:
            config = FileConfigFamilies(settings.config_root)
            yield _world(settings, database, actor, rest, config, NO_POINTS, Metrics(), PRODUCT)
    finally:
        await rest.close()


async def _open_store(settings: Settings, stack: AsyncExitStack) -> tuple[Database, WorkerIdentity]:
    await require_sessions(settings.sqlalchemy_url)
    await asyncio.to_thread(upgrade, settings.sqlalchemy_url)
    database = await stack.enter_async_context(
        open_database(
            settings.sqlalchemy_url, application="laurel-worker", timeout_seconds=database_seconds(settings)
        )
    )
    identity = await stack.enter_async_context(hold_worker_identity(database, worker_name(settings)))
    return database, identity


@asynccontextmanager
async def _open_bench(settings: Settings, children: Children, makers: Makers) -> AsyncIterator[Bench]:
    async with children.apart() as child:
        desk = _desk(settings, child, makers)
        yield Bench(desk, _trainer(settings, desk))


def _desk(settings: Settings, children: RunsTasks, makers: Makers) -> Desk:
    return Desk(
        children,
        timeout_seconds=settings.child.step_timeout_seconds,
        memory_bytes=settings.child.memory_megabytes << 20,
        tasks=makers.tasks,
    )


def _world(
    settings: Settings,
    database: Database,
    actor: str,
    rest: MlflowRest,
    config: ConfigFamilies,
    points: Points,
    metrics: Metrics,
    makers: Makers,
) -> World:
    clock = database.clock
    return World(
        model_name=settings.mlflow_model_name,
        worker=actor,
        policy=promotion_policy(settings),
        provenance=provenance(),
        store=makers.run_store(database),
        first_uses=makers.first_uses(database, settings.mlflow_model_name),
        master_rows=makers.master_rows(database, settings.mlflow_model_name),
        ledger=makers.ledger(database),
        alias_writes=makers.alias_writes(database),
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


def _anchor(settings: Settings) -> Anchor:
    return Anchor(KafkaAnnouncements(kafka_connection(settings)), settings.mlflow_model_name)


def _sign(settings: Settings) -> Callable[[bytes], str] | None:
    """Who signs registered versions. Raises Stop `bad_key`."""
    if settings.signing.key_file is None:
        return None
    from service.adapters.cryptography.ed25519 import Ed25519Signer  # noqa: PLC0415 - 40 ms of a start

    return Ed25519Signer(settings.signing.key_file).sign


def _estimator_faults(desk: Desk) -> Callable[[Estimator], Any]:
    async def ask(estimator: Estimator) -> Sequence[Fault]:
        found = await desk.run("train", "check_model", model=estimator.model_dump(mode="json"))
        return [Fault.model_validate(fault) for fault in found]

    return ask


def _worker_parts(
    settings: Settings,
    world: World,
    remotes: Remotes,
    children: Children,
    sets: Sequence[ChildSet],
    makers: Makers,
) -> Parts:
    projector = makers.projector(world)
    desks = [_desk(settings, own, makers) for own in sets]
    heavies = [
        _heavy(settings, desk, own, remotes, world.metrics) for desk, own in zip(desks, sets, strict=True)
    ]
    open_bench = partial(_open_bench, settings, children, makers)
    pictures = Pictures(open_bench, Places(settings.data_root), mlflow_access(settings), world.registry)
    aftercare = Aftercare(world, pictures, _retention(settings, world))
    parts = Parts(tasks={"pictures": aftercare.run_forever})
    for number, heavy in enumerate(heavies):
        runner = Runner(
            world, heavy, projector, retry_policy(settings), settings.worker.lease_seconds, aftercare
        )
        parts.tasks[f"runner-{number}"] = runner.run_forever
    reconciler = Reconciler(world, projector, settings.worker.reconcile_seconds)
    parts.tasks["reconciler"] = reconciler.run_forever
    parts.tasks["counterparts"] = CounterpartLooks(world).run_forever
    looks = MasterLooks(world, heavies[0].files, settings.worker.reconcile_seconds)
    parts.tasks["master_looks"] = looks.run_forever
    return parts


def _retention(settings: Settings, world: World) -> Retention:
    places = Places(settings.data_root)
    made_in = ("reference", "runs", "splits")
    return Retention(
        world=world,
        places=places,
        keep=settings.worker.keep_run_folders,
        chores=(PICTURES_CHORE, STATUS_CHORE),
        roots=(settings.config_root, *(settings.data_root / name for name in made_in)),
        abandoned_seconds=settings.child.step_timeout_seconds + _SAFE_SECONDS,
    )


def _trainer(settings: Settings, desk: Desk) -> ChildTrainer:
    return ChildTrainer(
        desk,
        Places(settings.data_root),
        mlflow_access(settings),
        seed=settings.child.seed,
        allow_foreign=settings.scores_foreign_champions,
    )


def _heavy(settings: Settings, desk: Desk, children: ChildSet, remotes: Remotes, metrics: Metrics) -> Heavy:
    places = Places(settings.data_root)
    cache, remote = dvc_folders(settings)
    versions = ChildDatasetVersions(desk, places, cache_folder=str(cache), remote_url=remote)
    return Heavy(
        files=ChildDatasetFiles(desk, places, str(cache)),
        versions=RemoteWatch(versions, desk, remotes, metrics, cache_folder=str(cache), remote_url=remote),
        trainer=_trainer(settings, desk),
        hold_until=children.hold_until,
    )


async def _open_kafka(
    settings: Settings,
    parts: Parts,
    world: World,
    database: Database,
    metrics: Metrics,
    stack: AsyncExitStack,
    makers: Makers,
) -> None:
    connection = kafka_connection(settings)
    await refuse_missing_topics(connection, TOPICS)
    publisher = KafkaPublisher(connection, metrics=metrics, max_event_bytes=settings.kafka.max_event_bytes)
    stack.push_async_callback(publisher.stop)
    await publisher.start(EVENT_TOPICS)
    await _refuse_small_topics(connection, settings.kafka.max_event_bytes)
    outbox = makers.outbox(database, world.model_name)
    stack.push_async_callback(outbox.close)
    relay = makers.relay(outbox, publisher, metrics=metrics, clock=world.clock, points=world.points)
    dead_letters = KafkaDeadLetters(connection, DEAD_LETTER_TOPIC, metrics=metrics)
    stack.push_async_callback(dead_letters.stop)
    handle = partial(
        makers.handle,
        store=world.store,
        model_name=world.model_name,
        max_bytes=settings.kafka.max_request_bytes,
        points=world.points,
    )
    delivery = KafkaDelivery(
        metrics=metrics, keep=dead_letters.add, points=world.points, after_commit=Point.INBOX_AFTER_COMMIT
    )
    group = requests_group(world.model_name)
    stored = await newest_stored(database, world.model_name, REQUEST_TOPIC)
    if stored:
        tell_what_may_be_lost(await committed_offsets(connection, group, REQUEST_TOPIC), stored)
    inbox = open_inbox(settings, REQUEST_TOPIC, handle, group, world.worker, delivery, metrics)
    parts.tasks |= {"relay": relay.run, "inbox": inbox.run}
    parts.signs["consumer"] = inbox.alive
    parts.pings |= {"kafka": inbox.ping, "publisher": publisher.ping}


async def _refuse_small_topics(connection: KafkaConnection, max_event_bytes: int) -> None:
    """An event that its topic refuses would hold up its run for ever."""
    limit = await smallest_event_limit(connection, EVENT_TOPICS)
    if limit < max_event_bytes:
        raise Stop(
            "topics_too_small",
            f"a topic takes events of {limit} bytes, and KAFKA__MAX_EVENT_BYTES is {max_event_bytes}; "
            "lower the setting, or raise max.message.bytes of the topic",
            limit=limit,
            allowed=max_event_bytes,
        )


def _ping(children: Children) -> Callable[[], Any]:
    async def ping() -> None:
        await children.ping()

    return ping
