"""The notifier's part of the composition root: its adapters are made here."""

import atexit
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from tempfile import TemporaryFile

import structlog

from config.settings import Settings
from config.topics import notices_group
from domain.errors import TryLater
from domain.notices import Wording
from domain.ports.notices import Channel
from handlers.notice import TOPICS, on_notice
from service.adapters.apprise.channel import open_channels
from service.adapters.files.notice_templates import read_templates
from service.adapters.kafka.delivery import KafkaDelivery
from service.adapters.kafka.group_start import begin_new_at_end
from service.adapters.kafka.inbox import KafkaInbox
from service.adapters.postgres.database import Database, open_database
from service.adapters.postgres.notices import PostgresNotices, PostgresPastVerdicts
from service.adapters.postgres.sessions import require_sessions
from service.adapters.tls.trust import Trust
from service.lifecycle.heartbeat import add_heartbeat
from service.lifecycle.kafka_clients import open_inbox, refuse_missing_topics
from service.lifecycle.settings_values import kafka_connection, require_usable_trust, worker_name
from service.notifications.sender import DeliveryLimits, NoticeSender, RepeatedVerdicts, begin_series
from service.runtime.clock import SystemClock
from service.runtime.metrics import Metrics
from service.runtime.role import Parts

OpenChannels = Callable[[Settings], Sequence[Channel]]

log = structlog.get_logger("laurel.notifier")


def channels_of(settings: Settings) -> Sequence[Channel]:
    """Make the channels that the settings name. Raises Stop; blocks."""
    urls = [url.get_secret_value() for url in settings.notifier.urls]
    return open_channels(urls, timeout_seconds=_bounds(settings).try_seconds, trusted=_trusted(settings))


def _trusted(settings: Settings) -> str:
    """Write down whom to trust, in a file without a name: however this process ends, it is gone."""
    file = settings.notifier.ca_file
    bundle = Trust("NOTIFIER", str(file) if file else None).bundle()
    kept = TemporaryFile("w")  # noqa: SIM115 - open as long as this process lives
    kept.write(bundle)
    kept.flush()
    atexit.register(kept.close)
    return f"/dev/fd/{kept.fileno()}"


@asynccontextmanager
async def open_notifier(
    settings: Settings, metrics: Metrics, *, open_them: OpenChannels = channels_of
) -> AsyncIterator[Parts]:
    """Open the notifier's parts. Raises Stop for channels or templates that cannot be used."""
    require_usable_trust(settings)
    wording, channels = wording_of(settings), open_them(settings)
    begin_series(metrics, channels)
    topics = sorted({TOPICS[subject] for subject in settings.notifier.subjects})
    async with AsyncExitStack() as stack:
        with suppress(TryLater):  # it is proved again when it is back
            await require_sessions(settings.sqlalchemy_url)
        connection = kafka_connection(settings)
        await refuse_missing_topics(connection, topics)
        group = notices_group(settings.mlflow_model_name)
        if begun := await begin_new_at_end(connection, group, topics):
            log.info("notices_begin_here", group=group, partitions=len(begun))
        database = await stack.enter_async_context(
            open_database(settings.sqlalchemy_url, application="laurel-notifier", connections=2)
        )
        sender = _sender(settings, database, channels, metrics)
        repeated = RepeatedVerdicts(PostgresPastVerdicts(database, settings.mlflow_model_name))
        inbox = _events(settings, topics, sender, wording, metrics, repeated)
        parts = Parts(
            tasks={"inbox": inbox.run},
            signs={"consumer": inbox.alive},
            pings={"kafka": inbox.ping, "postgres": database.ping},
        )
        name, model_name = worker_name(settings), settings.mlflow_model_name
        add_heartbeat(parts, database, "notifier", name, model_name, stack)
        yield parts


def wording_of(settings: Settings) -> Wording:
    """Read the wording in force. Raises Stop for a template that cannot be used."""
    folder = settings.notifier.templates_folder
    return Wording(read_templates(folder) if folder else None)


def _bounds(settings: Settings) -> DeliveryLimits:
    """Bound one event well below the longest pause between two polls."""
    notifier, poll = settings.notifier, settings.kafka.max_poll_interval_seconds
    return DeliveryLimits(
        tries=notifier.tries,
        first_pause=notifier.retry_seconds,
        try_seconds=min(notifier.timeout_seconds, poll / 4),
        budget=poll / 3,
    )


def _sender(
    settings: Settings, database: Database, channels: Sequence[Channel], metrics: Metrics
) -> NoticeSender:
    notices = PostgresNotices(database, settings.mlflow_model_name)
    return NoticeSender(notices, channels, SystemClock(), _bounds(settings), metrics)


def _events(
    settings: Settings,
    topics: Sequence[str],
    sender: NoticeSender,
    wording: Wording,
    metrics: Metrics,
    repeated: RepeatedVerdicts,
) -> KafkaInbox:
    handle = partial(
        on_notice,
        tell=sender.tell,
        wording=wording,
        subjects=settings.notifier.subjects,
        model_name=settings.mlflow_model_name,
        max_bytes=settings.kafka.max_event_bytes,
        further=repeated.notice,
    )
    group = notices_group(settings.mlflow_model_name)
    member = f"{worker_name(settings)}-notifier"
    return open_inbox(settings, topics, handle, group, member, KafkaDelivery(metrics=metrics), metrics)
