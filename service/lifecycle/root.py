"""The composition root of the worker: every adapter of it is made here.

`open_worker` gives the worker's parts. What a proof wants to break it replaces in `Makers`; the product uses
the defaults.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from config.settings import Settings
from config.topics import EVENT_TOPICS, TOPICS, requests_group
from domain.errors import Stop, TryLater
from domain.events import DEAD_LETTER_TOPIC, REQUEST_TOPIC
from domain.faults import Fault
from domain.model_types import Estimator
from domain.points import NO_POINTS, Point, Points
from domain.ports.dataset_files import Remotes
from domain.ports.workers import WORKER
from domain.wording import byte_count
from handlers.handled import Handled
from handlers.training_requested import on_training_requested
from service.adapters.files.atomic import AtomicFiles
from service.adapters.files.config_families import FileConfigFamilies
from service.adapters.files.data_layout import DataLayout
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.dead_letters import KafkaDeadLetters
from service.adapters.kafka.delivery import KafkaDelivery
from service.adapters.kafka.group_start import committed_offsets
from service.adapters.kafka.publisher import KafkaPublisher
from service.adapters.kafka.topic_provisioning import smallest_event_limit
from service.adapters.mlflow.experiments import Experiments
from service.adapters.mlflow.rest import MlflowRest
from service.adapters.postgres.champion_losses import PostgresChampionLosses
from service.adapters.postgres.database import Database, open_database
from service.adapters.postgres.dry_run import dry_run
from service.adapters.postgres.models_seen import newest_stored
from service.adapters.postgres.pruning import PostgresPruning
from service.adapters.postgres.remotes import PostgresRemotes
from service.adapters.postgres.schema import upgrade
from service.adapters.postgres.session_lock import WorkerIdentity, hold_worker_identity
from service.adapters.postgres.sessions import require_sessions
from service.adapters.postgres.workers import PostgresWorkers
from service.lifecycle.background_jobs import PLOTS_JOB, Retention, RowRetention
from service.lifecycle.dataset_files import ChildDatasetFiles, ChildDatasetVersions
from service.lifecycle.evaluation_files import Bench, EvaluationFiles
from service.lifecycle.head_metrics import HeadLooks
from service.lifecycle.heartbeat import add_heartbeat
from service.lifecycle.job_client import JobClient, RunsTasks
from service.lifecycle.kafka_clients import open_inbox, refuse_missing_topics
from service.lifecycle.preflight import require_roots
from service.lifecycle.queue_metrics import QueueLooks
from service.lifecycle.remote_watch import RemoteWatch
from service.lifecycle.reread import tell_what_may_be_lost
from service.lifecycle.run_ports import RunPorts
from service.lifecycle.run_steps import Heavy
from service.lifecycle.settings_values import (
    children_settings,
    database_seconds,
    kafka_connection,
    mlflow_access,
    require_usable_trust,
    retry_policy,
    thread_share,
    worker_name,
)
from service.lifecycle.steps.jobs import CHECK_MODEL
from service.lifecycle.steps.split import MasterLooks
from service.lifecycle.trainer import ChildTrainer
from service.lifecycle.workbench import WorldMakers, world_of
from service.lifecycle.worker_parts import background_jobs_in, reconciler_in, runner_in
from service.lifecycle.written_folders import dvc_folders, written_folders
from service.messaging.relay import OutboxRelay
from service.processes.pool import Children, ChildSet
from service.promotion.counterparts import CounterpartLooks
from service.promotion.hold_looks import HoldLooks
from service.promotion.holding import PromotionHolding
from service.promotion.loss_watch import LossWatch
from service.promotion.projector import LedgerProjector
from service.promotion.reconciler import STATUS_JOB
from service.runtime.metrics import Metrics
from service.runtime.role import Parts
from service.runtime.told_once import look_forever

_HOLD_PAUSE_SECONDS = 5.0  # in which the end of a hold is announced
_SAFE_SECONDS = 3600.0  # beyond the longest task, before what it was writing counts as abandoned


@dataclass(frozen=True)
class Makers(WorldMakers):
    """How the replaceable parts of a worker are made."""

    handle: Callable[..., Awaitable[Handled]] = on_training_requested
    files: Callable[[], AtomicFiles] = AtomicFiles
    projector: type[LedgerProjector] = LedgerProjector
    relay: Callable[..., OutboxRelay] = OutboxRelay
    replaced_jobs: Mapping[str, str] = field(default_factory=dict)  # other functions by the product's path


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
        children = Children(children_settings(settings), sets=settings.worker.concurrent_lifecycles)
        stack.push_async_callback(children.stop)
        warming = asyncio.create_task(children.start())  # 2 s that nothing else has to wait for
        stack.callback(warming.cancel)
        database, identity = await _open_store(settings, stack)
        rest = MlflowRest(mlflow_access(settings))
        stack.push_async_callback(rest.close)
        sets = [
            await stack.enter_async_context(children.lease())
            for _ in range(settings.worker.concurrent_lifecycles)
        ]
        jobs = _jobs(settings, sets[0], makers)
        config = FileConfigFamilies(
            settings.config_root,
            estimator_faults=_estimator_faults(jobs),
            files=makers.files(),
            points=points,
        )
        world = world_of(settings, database, identity.name, rest, config, points, metrics, makers)
        await world.store.release_all(identity.name)
        await world.checks.begin()
        parts = _worker_parts(settings, world, database, children, sets, makers)
        heartbeat = add_heartbeat(parts, database, WORKER, identity.name, world.model_name, stack)
        await heartbeat.beat()  # a ready worker is known
        await _open_kafka(settings, parts, world, database, metrics, stack, makers)
        with suppress(TryLater):  # it only makes the first request as fast as the others
            await dry_run(database)
        await warming
        parts.tasks["identity"] = identity.keep
        losses = PostgresChampionLosses(database)
        watch = LossWatch(world.model_name, world.ledger, world.registry, losses, world.clock)
        parts.tasks["losses"] = watch.run_forever
        queue = QueueLooks(PostgresWorkers(database), world.model_name, metrics)
        parts.tasks["queue"] = partial(look_forever, queue.look, "queue_not_read", world.clock)
        head = HeadLooks(world.ledger, world.model_name, metrics, world.clock)
        parts.tasks["head"] = partial(look_forever, head.look, "head_not_read", world.clock)
        experiment = Experiments(rest, settings.mlflow_experiment)
        parts.pings |= {"postgres": database.ping, "mlflow": experiment.ping, "children": _ping(children)}
        yield parts


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
        jobs = _jobs(settings, child, makers)
        yield Bench(jobs, _trainer(settings, jobs))


def _jobs(settings: Settings, children: RunsTasks, makers: Makers) -> JobClient:
    return JobClient(
        children,
        timeout_seconds=settings.child.step_timeout_seconds,
        memory_bytes=settings.child.memory_megabytes << 20,
        replaced=makers.replaced_jobs,
    )


def _estimator_faults(jobs: JobClient) -> Callable[[Estimator], Awaitable[Sequence[Fault]]]:
    async def ask(estimator: Estimator) -> Sequence[Fault]:
        return (await jobs.run("train", CHECK_MODEL, estimator)).faults

    return ask


def _worker_parts(
    settings: Settings,
    world: RunPorts,
    database: Database,
    children: Children,
    sets: Sequence[ChildSet],
    makers: Makers,
) -> Parts:
    remotes = PostgresRemotes(database, settings.mlflow_model_name)
    projector = world.projector(makers.projector)
    job_clients = [_jobs(settings, own, makers) for own in sets]
    heavies = [
        _heavy(settings, jobs, own, remotes, world.metrics)
        for jobs, own in zip(job_clients, sets, strict=True)
    ]
    open_bench = partial(_open_bench, settings, children, makers)
    plots = EvaluationFiles(
        open_bench, DataLayout(settings.data_root), mlflow_access(settings), world.registry
    )
    background_jobs = background_jobs_in(world, plots, _retention(settings, world, database))
    parts = Parts(tasks={"pictures": background_jobs.run_forever})
    for number, heavy in enumerate(heavies):
        runner = runner_in(
            world, heavy, projector, retry_policy(settings), settings.worker.lease_seconds, background_jobs
        )
        parts.tasks[f"runner-{number}"] = runner.run_forever
    reconciler = reconciler_in(world, projector, settings.worker.reconcile_seconds)
    parts.tasks["reconciler"] = reconciler.run_forever
    parts.tasks["counterparts"] = CounterpartLooks(world.checks, world.clock).run_forever
    holding = PromotionHolding(world.model_name, world.holds, world.clock, world.points)
    holds = HoldLooks(holding, world.metrics)
    parts.tasks["holds"] = partial(
        look_forever, holds.look, "hold_not_read", world.clock, pause_seconds=_HOLD_PAUSE_SECONDS
    )
    looks = MasterLooks(world.master_rows, heavies[0].files, world.clock, settings.worker.reconcile_seconds)
    parts.tasks["master_looks"] = looks.run_forever
    return parts


def _retention(settings: Settings, world: RunPorts, database: Database) -> Retention:
    places, kept = DataLayout(settings.data_root), settings.retention
    pruning = PostgresPruning(database, world.model_name)
    days = timedelta(days=kept.events_days), timedelta(days=kept.outputs_days)
    made_in = ("reference", "runs", "splits")
    return Retention(
        model_name=world.model_name,
        store=world.store,
        places=places,
        keep=settings.worker.keep_run_folders,
        keep_parts=settings.worker.keep_run_parts,
        jobs=(PLOTS_JOB, STATUS_JOB),
        roots=(settings.config_root, *(settings.data_root / name for name in made_in)),
        abandoned_seconds=settings.child.step_timeout_seconds + _SAFE_SECONDS,
        rows=RowRetention(pruning, world.clock, *days) if kept.in_workers else None,
    )


def _trainer(settings: Settings, jobs: JobClient) -> ChildTrainer:
    return ChildTrainer(
        jobs,
        DataLayout(settings.data_root),
        mlflow_access(settings),
        seed=settings.child.seed,
        allow_foreign=settings.scores_foreign_champions,
        threads=thread_share(settings),
    )


def _heavy(
    settings: Settings, jobs: JobClient, children: ChildSet, remotes: Remotes, metrics: Metrics
) -> Heavy:
    places = DataLayout(settings.data_root)
    cache, remote = dvc_folders(settings)
    versions = ChildDatasetVersions(jobs, places, cache_folder=str(cache), remote_url=remote)
    return Heavy(
        files=ChildDatasetFiles(jobs, places, cache),
        versions=RemoteWatch(versions, jobs, remotes, metrics, cache_folder=str(cache), remote_url=remote),
        trainer=_trainer(settings, jobs),
        hold_until=children.hold_until,
        threads=thread_share(settings),
    )


async def _open_kafka(
    settings: Settings,
    parts: Parts,
    world: RunPorts,
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
            f"a topic takes events of at most {byte_count(limit)}, and KAFKA__MAX_EVENT_BYTES is "
            f"{byte_count(max_event_bytes)}; lower the setting, or raise max.message.bytes of the topic",
            limit=limit,
            allowed=max_event_bytes,
        )


def _ping(children: Children) -> Callable[[], Awaitable[None]]:
    async def ping() -> None:
        await children.ping()

    return ping
