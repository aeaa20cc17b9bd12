"""One request topic with its dead letters, workers that consume it, and the bare clients to look at both."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from functools import partial

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from domain.points import NO_POINTS, Point, Points
from handlers.handled import Handle
from handlers.training_requested import on_training_requested
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.dead_letter_format import DeadLetter
from service.adapters.kafka.dead_letters import KafkaDeadLetters, list_dead_letters
from service.adapters.kafka.delivery import KafkaDelivery, kept_nowhere
from service.adapters.kafka.inbox import KafkaInbox
from service.adapters.kafka.partition_watch import WatchTimes
from service.adapters.kafka.producers import start_producer, stop_producer
from service.adapters.kafka.reading import read_to_the_end
from service.adapters.kafka.topic_provisioning import ensure_topics
from service.messaging.router import route
from service.runtime.metrics import Metrics
from tests.fakes.inbox_store import FakeInboxStore
from tests.kit.eventually import eventually

MODEL = "price"
Headers = Sequence[tuple[str, bytes | None]]


class Worker:
    """One consuming process, as a task."""

    def __init__(self, inbox: KafkaInbox, letters: KafkaDeadLetters, metrics: Metrics) -> None:
        self.inbox = inbox
        self.letters = letters
        self.metrics = metrics
        self.task = asyncio.create_task(inbox.run())

    def count(self, name: str) -> float:
        """The sum over all labels of a counter."""
        lines = self.metrics.render().decode().splitlines()
        return sum(
            float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((name + "{", name + " "))
        )

    async def stop(self) -> None:
        """End it in order."""
        self.task.cancel()
        await asyncio.wait([self.task])
        await self.letters.stop()


class InboxWorld:
    """Topics and a group that no other test has."""

    def __init__(self, connection: KafkaConnection) -> None:
        self.model = MODEL  # whose requests are read
        self.times = WatchTimes(look=0.1, open_transaction=0.5)
        name = uuid.uuid4().hex[:12]
        self.connection = connection
        self.topic, self.dead_topic, self.group = f"requests-{name}", f"dead-{name}", f"group-{name}"
        self.store = FakeInboxStore()
        self.workers: list[Worker] = []
        self.producer: AIOKafkaProducer = None
        self.admin: AIOKafkaAdminClient = None

    async def open(self) -> None:
        """Make the topics and the bare clients."""
        await ensure_topics(self.connection, {self.topic: {}, self.dead_topic: {}})
        self.producer = await start_producer(
            self.connection, max_request_size=1 << 24, max_batch_size=1 << 20
        )
        self.admin = AIOKafkaAdminClient(**self.connection.options())
        await self.admin.start()

    async def close(self) -> None:
        """End everything."""
        for worker in self.workers:
            await worker.stop()
        await stop_producer(self.producer)
        await self.admin.close()

    async def start(
        self,
        member: str = "worker-1",
        *,
        points: Points = NO_POINTS,
        max_bytes: int = 1 << 18,
        session_seconds: float = 3.0,
        connection: KafkaConnection | None = None,
    ) -> Worker:
        """Start a worker and wait until it has joined its group."""
        metrics, connection = Metrics(), connection or self.connection
        letters = KafkaDeadLetters(connection, self.dead_topic, metrics=metrics)
        handle = partial(
            on_training_requested,
            store=self.store,
            model_name=self.model,
            max_bytes=max_bytes,
            points=points,
        )
        inbox = self.inbox(handle, member, metrics, points, session_seconds, connection, letters)
        worker = Worker(inbox, letters, metrics)
        self.workers.append(worker)
        await asyncio.wait_for(inbox.started.wait(), 30)
        return worker

    def inbox(
        self,
        handle: Handle,
        member: str,
        metrics: Metrics,
        points: Points = NO_POINTS,
        session_seconds: float = 3.0,
        connection: KafkaConnection | None = None,
        letters: KafkaDeadLetters | None = None,
    ) -> KafkaInbox:
        """Plug the topic and a handler together, as the composition root does."""
        delivery = KafkaDelivery(
            metrics=metrics,
            keep=letters.add if letters else kept_nowhere,
            points=points,
            after_commit=Point.INBOX_AFTER_COMMIT,
        )
        router = route(
            self.topic,
            handle,
            group=self.group,
            member=member,
            delivery=delivery,
            session_seconds=session_seconds,
        )
        return KafkaInbox(connection or self.connection, router, delivery, metrics=metrics, times=self.times)

    async def put(
        self,
        value: bytes | None = b"{}",
        headers: Headers = (),
        *,
        key: bytes | None = None,
        partition: int = 0,
    ) -> int:
        """Put one record there byte by byte; return its offset."""
        batch = self.producer.create_batch()
        batch.append(timestamp=None, key=key, value=value, headers=list(headers))
        batch.close()
        sent = await (await self.producer.send_batch(batch, self.topic, partition=partition))
        return int(sent.offset)

    async def put_batch(self, values: Sequence[bytes | None], *, partition: int = 0) -> int:
        """Put all of them there as one batch; return the offset of the first."""
        batch = self.producer.create_batch()
        for value in values:
            assert batch.append(timestamp=None, key=None, value=value)
        batch.close()
        sent = await (await self.producer.send_batch(batch, self.topic, partition=partition))
        return int(sent.offset)

    async def offsets(self) -> tuple[Mapping[int, int], Mapping[int, int]]:
        """By partition: what the group committed, and the end of the log."""
        places = [TopicPartition(self.topic, number) for number in range(3)]
        committed = await self.admin.list_consumer_group_offsets(self.group)
        consumer = AIOKafkaConsumer(**self.connection.options())
        await consumer.start()
        try:
            ends = await consumer.end_offsets(places)
        finally:
            await consumer.stop()
        return (
            {place.partition: committed[place].offset for place in places if place in committed},
            {place.partition: ends[place] for place in places},
        )

    async def count_records(self, topic: str) -> int:
        """How many records a topic of three partitions holds."""
        return len([one async for one in read_to_the_end(self.connection, [topic])])

    async def at_rest(self, within: float = 90.0) -> None:
        """Wait until every record is committed."""

        async def no_lag() -> bool:
            committed, ends = await self.offsets()
            return all(committed.get(partition, 0) == end for partition, end in ends.items())

        await eventually(no_lag, within=within)

    async def dead_letters(self) -> list[DeadLetter]:
        """All that were set aside."""
        return [letter async for letter in list_dead_letters(self.connection, self.dead_topic)]
