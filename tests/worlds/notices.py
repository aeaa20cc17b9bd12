"""Announcements of one model on the real broker, and notifiers that tell webhooks of them."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from config.settings import Settings
from config.topics import notices_group
from domain.notice_subjects import Subject
from handlers.notice import TOLD
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.publisher import KafkaPublisher
from service.adapters.kafka.topic_provisioning import partitions_of
from service.notifications.root import open_notifier
from service.runtime.metrics import Metrics
from service.runtime.role import Role
from tests.harm.webhook import Webhook
from tests.kit.eventually import eventually
from tests.kit.settings_of import settings_of
from tests.kit.told_events import told_announcement
from tests.worlds.own_requests import begin_at


@dataclass
class Notifier:
    """A notifier in this process."""

    role: Role
    metrics: Metrics

    def counted(self, name: str, *labels: str) -> float:
        """The sum over a counter's series that have these labels."""
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in self.metrics.render().decode().splitlines()
            if line.startswith(f"{name}{{") and all(label in line for label in labels)
        )

    async def has_taken(self, records: int) -> None:
        """Wait until so many records of this model were brought to their end."""
        await eventually(lambda: self.counted("laurel_records_total", 'outcome="told"') >= records)


@dataclass
class NoticeWorld:
    """What is announced of one model, and who is told."""

    folder: Path
    bootstrap: str
    url: str
    publisher: KafkaPublisher
    webhooks: Sequence[Webhook] = ()
    more: dict[str, str] = field(default_factory=dict)
    model: str = field(default_factory=lambda: f"price-{uuid.uuid4().hex[:10]}")

    @property
    def environment(self) -> dict[str, str]:
        """What a notifier finds in its environment; its tries are short."""
        return {
            "CONFIG_ROOT": str(self.folder),
            "DATA_ROOT": str(self.folder),
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "DATABASE_URL": self.url,
            "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
            "MLFLOW_MODEL_NAME": self.model,
            "WORKER__ID": "one",
            "KAFKA__SESSION_TIMEOUT_SECONDS": "1",
            "NOTIFIER__URLS": " ".join(webhook.url for webhook in self.webhooks),
            "NOTIFIER__TRIES": "2",
            "NOTIFIER__RETRY_SECONDS": "0.05",
            "NOTIFIER__TIMEOUT_SECONDS": "10",
            "NOTIFIER__PORT": "0",
            **self.more,
        }

    def settings(self, **more: str) -> Settings:
        """The same as settings."""
        return settings_of(self.environment | more)

    async def announce(self, subject: Subject, event_id: str, **changes: object) -> None:
        """Publish an event; the same id again is a redelivery."""
        await self.publisher.publish(told_announcement(subject, self.model, event_id, **changes))

    async def rewind(self) -> None:
        """Let the group, in which nobody is, hear everything again."""
        connection = KafkaConnection(self.bootstrap)
        places = dict.fromkeys(await partitions_of(connection, TOLD), 0)
        await begin_at(self.bootstrap, notices_group(self.model), places)

    @asynccontextmanager
    async def notifier(self, **more: str) -> AsyncIterator[Notifier]:
        """A notifier that has joined its group."""
        settings, metrics = self.settings(**more), Metrics(model=self.model, role="notifier")
        role = Role("notifier", partial(open_notifier, settings, metrics), metrics, grace_seconds=5)
        task = asyncio.create_task(role.run("127.0.0.1", 0))
        ready = asyncio.create_task(role.ready.wait())
        await asyncio.wait({task, ready}, timeout=30, return_when=asyncio.FIRST_COMPLETED)
        try:
            assert role.ready.is_set()
            yield Notifier(role, metrics)
        finally:
            ready.cancel()
            role.stop()
            await task
