"""What both roles need of Kafka: an inbox that follows the settings, and the certainty that topics exist."""

from collections.abc import Mapping, Sequence

from config.settings import Settings
from domain.errors import Stop
from handlers.handled import Handle
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.delivery import KafkaDelivery
from service.adapters.kafka.inbox import KafkaInbox
from service.adapters.kafka.topic_provisioning import missing_topics
from service.lifecycle.settings_values import kafka_connection, kafka_unpacked_bytes
from service.messaging.router import route
from service.runtime.metrics import Metrics


def open_inbox(
    settings: Settings,
    topics: str | Sequence[str],
    handle: Handle,
    group: str,
    member: str,
    delivery: KafkaDelivery,
    metrics: Metrics,
) -> KafkaInbox:
    """Make the inbox of one topic, or of several, as the settings say."""
    router = route(
        topics,
        handle,
        group=group,
        member=member,
        delivery=delivery,
        session_seconds=settings.kafka.session_timeout_seconds,
        poll_seconds=settings.kafka.max_poll_interval_seconds,
    )
    connection, unpacked_bytes = kafka_connection(settings), kafka_unpacked_bytes(settings)
    return KafkaInbox(connection, router, delivery, metrics=metrics, unpacked_bytes=unpacked_bytes)


async def refuse_missing_topics(
    connection: KafkaConnection, names: Sequence[str] | Mapping[str, object]
) -> None:
    """Raise Stop `topics_missing` with their names unless all are there; TryLater while Kafka is away."""
    missing = await missing_topics(connection, names)
    if missing:
        raise Stop(
            "topics_missing",
            f"topics do not exist, or may not be seen: {', '.join(missing)}; run `laurel topics ensure`",
            topics=missing,
        )
