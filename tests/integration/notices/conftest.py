"""A world for each test on the session's servers, and webhooks."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from config.topics import EVENT_TOPICS, TOPICS
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.publisher import KafkaPublisher
from service.adapters.kafka.topic_provisioning import ensure_topics
from service.runtime.metrics import Metrics
from tests.harm.webhook import Webhook
from tests.worlds.notices import NoticeWorld
from tests.worlds.servers import KafkaServer

MakeWebhook = Callable[..., Awaitable[Webhook]]


@pytest.fixture
async def world(tmp_path: Path, kafka_server: KafkaServer, migrated_url: str) -> AsyncIterator[NoticeWorld]:
    """Nothing is announced yet, and nobody is told."""
    connection = KafkaConnection(kafka_server.bootstrap_servers)
    await ensure_topics(connection, TOPICS)
    publisher = KafkaPublisher(connection, metrics=Metrics(), max_event_bytes=900_000)
    await publisher.start(EVENT_TOPICS)
    yield NoticeWorld(tmp_path, kafka_server.bootstrap_servers, migrated_url, publisher)
    await publisher.stop()


@pytest.fixture
async def webhook() -> AsyncIterator[MakeWebhook]:
    """Makes webhooks; all end with the test."""
    made: list[Webhook] = []

    async def make(**facts: object) -> Webhook:
        made.append(await Webhook(**facts).start())  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        await one.stop()
