"""The composition root of `laurel api`: its adapters are made here."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

import structlog

from config.settings import Settings
from domain.errors import TryLater
from domain.events import REQUEST_TOPIC
from domain.points import NO_POINTS
from domain.ports.model_registry import ModelRegistry
from service.adapters.files.config_families import FileConfigFamilies
from service.adapters.kafka.publisher import KafkaPublisher
from service.adapters.mlflow.model_registry import MlflowModelRegistry
from service.adapters.mlflow.rest import MlflowRest
from service.adapters.postgres.asked_requests import PostgresAskedRequests
from service.adapters.postgres.champion_history import PostgresChampionHistory
from service.adapters.postgres.database import Database, open_database
from service.adapters.postgres.holds import PostgresHolds
from service.adapters.postgres.quarantines import PostgresQuarantines
from service.adapters.postgres.run_reads import PostgresRunReads
from service.adapters.postgres.run_store import PostgresRunStore
from service.adapters.postgres.schema import upgrade
from service.adapters.postgres.sessions import require_sessions
from service.adapters.postgres.variables import PostgresVariables
from service.adapters.postgres.workers import PostgresWorkers
from service.gateway.app import GatewayParts, build_app
from service.gateway.callers import Callers
from service.gateway.dag.routes import DagDependencies, dag_routes
from service.gateway.gateway_metrics import ApiMetrics
from service.gateway.middleware import OPEN_PROBES
from service.gateway.rates import Rate
from service.gateway.routes_bars import BarDependencies, add_bar_routes
from service.gateway.routes_decisions import why_no_worker_shows
from service.gateway.routes_history import HistoryDependencies, history_routes
from service.gateway.routes_requests import RouteDependencies, request_routes
from service.gateway.run_stream import Streams
from service.gateway.submissions import Asking
from service.gateway.views import Viewer
from service.lifecycle.cancel import Cancelling
from service.lifecycle.registry import open_mlflow
from service.lifecycle.settings_values import kafka_connection, require_usable_trust
from service.lifecycle.workbench import WorldMakers, promotion_in, rollback_in, world_of
from service.promotion.explainer import Explainer
from service.promotion.holding import PromotionHolding
from service.promotion.promoting import PersonPromotion
from service.promotion.quarantining import Lifting
from service.promotion.rollback import Rollback
from service.runtime.health import Readiness
from service.runtime.metrics import Metrics
from service.runtime.web.clients import Clients
from service.runtime.web.health import Drain
from service.runtime.web.host_and_origin import Entrance
from service.runtime.web.http_server import Server

log = structlog.get_logger("laurel.api")

_START_PAUSE_SECONDS: Final = 1.0
_FRAMING: Final = 4096


@asynccontextmanager
async def open_api(settings: Settings) -> AsyncIterator[Server]:
    """Make the server. Kafka and PostgreSQL may be away: then it answers 503, and says why."""
    require_usable_trust(settings)
    group = settings.api
    async with AsyncExitStack() as stack:
        rest = await stack.enter_async_context(open_mlflow(settings))
        database = await stack.enter_async_context(
            open_database(
                settings.sqlalchemy_url, application="laurel-api", timeout_seconds=group.send_seconds
            )
        )
        publisher = KafkaPublisher(
            kafka_connection(settings),
            metrics=Metrics(),
            max_event_bytes=group.max_body_bytes + _FRAMING,
            send_seconds=group.send_seconds,
        )
        stack.push_async_callback(publisher.stop)
        streams, drain = Streams(group.max_streams), Drain(group.drain_seconds)
        history = _history(settings, database, MlflowModelRegistry(rest))
        yield Server(
            build_app(_parts(settings, database, rest, publisher, streams, drain, history)),
            lambda: _prepare(settings, publisher),
            role="api",
            prefix="API",
            grace_seconds=group.grace_seconds,
            drain=drain,
            on_stop=streams.close,
        )


async def _prepare(settings: Settings, publisher: KafkaPublisher) -> None:
    """Bring the schema up to date and connect, so that the first request is as fast as the others."""
    steps: tuple[Callable[[], Awaitable[object]], ...] = (
        partial(require_sessions, settings.sqlalchemy_url),
        partial(asyncio.to_thread, upgrade, settings.sqlalchemy_url),
        partial(publisher.start, [REQUEST_TOPIC]),
    )
    for prepare in steps:
        while True:
            try:
                await prepare()
                break
            except TryLater as error:
                log.warning("waiting_to_start", role="api", reason=error.reason, message=error.message)
                await asyncio.sleep(_START_PAUSE_SECONDS)
    log.info("running", role="api")


def _history(settings: Settings, database: Database, registry: ModelRegistry) -> HistoryDependencies:
    model = settings.mlflow_model_name
    history, runs = PostgresChampionHistory(database, model), PostgresRunReads(database)
    return HistoryDependencies(Explainer(model, history, runs, registry), database.clock)


def _parts(
    settings: Settings,
    database: Database,
    rest: MlflowRest,
    publisher: KafkaPublisher,
    streams: Streams,
    drain: Drain,
    history: HistoryDependencies,
) -> GatewayParts:
    group, model = settings.api, settings.mlflow_model_name
    requests = PostgresAskedRequests(database, model)
    runs = PostgresRunStore(database)
    asking = Asking(requests, publisher, model_name=model, send_seconds=group.send_seconds)
    asks = Rate(group.asks_per_minute, "training requests")
    viewer = Viewer(model, settings.mlflow_tracking_uri)
    cancelling = Cancelling(runs, database.clock, settings.kafka.max_event_bytes)
    workers = PostgresWorkers(database)
    rollback, promotion = _decisions(settings, database, rest)
    most = group.max_body_bytes
    dependencies = RouteDependencies(
        asking,
        requests,
        runs,
        viewer,
        asks,
        streams,
        cancelling,
        workers,
        model,
        most,
        rollback,
        promotion,
    )
    requests_router = request_routes(dependencies)
    add_bar_routes(requests_router, _bars(settings, database))
    return GatewayParts(
        requests=requests_router,
        history=history_routes(history),
        dags=dag_routes(_dag(settings, database, dependencies)),
        callers=_callers(settings),
        calls=Rate(group.calls_per_minute, "calls"),
        metrics=ApiMetrics(model),
        readiness=Readiness({"postgres": requests.ping, "kafka": publisher.ping}),
        entrance=_entrance(settings),
        drain=drain,
        cors_origins=group.cors_origins,
    )


def _dag(settings: Settings, database: Database, routes: RouteDependencies) -> DagDependencies:
    group = settings.api
    return DagDependencies(
        asking=routes.asking,
        requests=routes.requests,
        runs=routes.runs,
        variables=PostgresVariables(database, settings.mlflow_model_name),
        asks=routes.asks,
        cancelling=routes.cancelling,
        max_body_bytes=group.max_body_bytes,
        dag_id=group.dag_id,
        empty_dags=group.empty_dags,
        mlflow_uri=settings.mlflow_tracking_uri,
    )


def _bars(settings: Settings, database: Database) -> BarDependencies:
    model, clock = settings.mlflow_model_name, database.clock
    holds, quarantines = PostgresHolds(database, model), PostgresQuarantines(database, model)
    return BarDependencies(
        model_name=model,
        holds=holds,
        quarantines=quarantines,
        holding=PromotionHolding(model, holds, clock),
        lifting=Lifting(model, quarantines, clock),
        max_body_bytes=settings.api.max_body_bytes,
    )


def _decisions(settings: Settings, database: Database, rest: MlflowRest) -> tuple[Rollback, PersonPromotion]:
    """The API decides, and a worker shows it: the API has no configuration files."""
    config = FileConfigFamilies(settings.config_root)
    world = world_of(settings, database, "laurel api", rest, config, NO_POINTS, Metrics(), WorldMakers())
    show = partial(why_no_worker_shows, world.ledger, world.model_name)
    return rollback_in(world, settings, show), promotion_in(world, settings, show)


def _entrance(settings: Settings) -> Entrance:
    group = settings.api
    return Entrance(
        log,
        hosts=group.allowed_hosts,
        origins=group.cors_origins,
        clients=Clients(group.trusted_proxies),
        probes=OPEN_PROBES,
    )


def _callers(settings: Settings) -> Callers:
    group = settings.api
    basic = (
        (group.basic_user, group.basic_password.get_secret_value())
        if group.basic_user is not None and group.basic_password is not None
        else None
    )
    tokens = {name: token.get_secret_value() for name, token in group.tokens.items()}
    return Callers(tokens, group.token_roles, basic, group.basic_roles)
