"""The reload listener's part of the composition root: its adapters are made here."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial

from config.settings import Settings
from config.topics import reloads_group
from domain.errors import TryLater
from domain.events import InferenceDiverged, InferenceReloaded, ModelPromoted
from domain.points import NO_POINTS, Points
from handlers.model_promoted import on_model_promoted
from service.adapters.http.bounded import Resolve, system_addresses
from service.adapters.http.inference_servers import HttpInferenceServers
from service.adapters.kafka.delivery import KafkaDelivery
from service.adapters.kafka.inbox import KafkaInbox
from service.adapters.postgres.database import Database, open_database
from service.adapters.postgres.outbox import PostgresOutbox
from service.adapters.postgres.promotion_ledger import PostgresPromotionLedger
from service.adapters.postgres.sessions import require_sessions
from service.lifecycle.heartbeat import add_heartbeat
from service.lifecycle.kafka_clients import open_inbox, refuse_missing_topics
from service.lifecycle.settings_values import kafka_connection, require_usable_trust, worker_name
from service.rollout.convergence import Convergence
from service.rollout.replica_clients import open_servers
from service.rollout.replica_events import ReplicaReports
from service.rollout.replica_reloader import ReloadBudget, ReplicaReloader
from service.runtime.metrics import Metrics
from service.runtime.role import Parts

TOPICS = (ModelPromoted.topic, InferenceReloaded.topic, InferenceDiverged.topic)


@asynccontextmanager
async def open_listener(
    settings: Settings, metrics: Metrics, *, points: Points = NO_POINTS, resolve: Resolve = system_addresses
) -> AsyncIterator[Parts]:
    """Open the reload listener's parts. PostgreSQL may be away: then a promotion's own word is followed."""
    require_usable_trust(settings)
    async with AsyncExitStack() as stack:
        with suppress(TryLater):  # it is proved again when it is back
            await require_sessions(settings.sqlalchemy_url)
        await refuse_missing_topics(kafka_connection(settings), TOPICS)
        servers = await stack.enter_async_context(open_servers(settings, resolve=resolve))
        database = await stack.enter_async_context(
            open_database(settings.sqlalchemy_url, application="laurel-listener", connections=2)
        )
        convergence = _convergence(settings, database, servers, points, metrics)
        inbox = _promotions(settings, convergence, points, metrics)
        parts = Parts(
            tasks={"convergence": convergence.run, "inbox": inbox.run},
            signs={"consumer": inbox.alive},
            pings={"kafka": inbox.ping, "postgres": database.ping},
        )
        name, model_name = worker_name(settings), settings.mlflow_model_name
        add_heartbeat(parts, database, "reload-listener", name, model_name, stack)
        yield parts


def _convergence(
    settings: Settings, database: Database, servers: HttpInferenceServers, points: Points, metrics: Metrics
) -> Convergence:
    clock, model_name = database.clock, settings.mlflow_model_name
    budget = ReloadBudget(seconds=settings.reload.try_seconds, tries=settings.reload.tries)
    reports = ReplicaReports(
        PostgresOutbox(database, model_name),
        metrics,
        clock,
        model_name=model_name,
        listener=worker_name(settings),
    )
    return Convergence(
        PostgresPromotionLedger(database),
        servers,
        ReplicaReloader(servers, clock, points, budget),
        reports,
        model_name=model_name,
        metrics=metrics,
        poll_seconds=settings.reload.poll_seconds,
    )


def _promotions(settings: Settings, convergence: Convergence, points: Points, metrics: Metrics) -> KafkaInbox:
    handle = partial(
        on_model_promoted,
        promoted=convergence.promoted,
        model_name=settings.mlflow_model_name,
        max_bytes=settings.kafka.max_event_bytes,
    )
    group = reloads_group(settings.mlflow_model_name)
    delivery = KafkaDelivery(metrics=metrics, points=points)
    member = f"{worker_name(settings)}-listener"
    return open_inbox(settings, ModelPromoted.topic, handle, group, member, delivery, metrics)
