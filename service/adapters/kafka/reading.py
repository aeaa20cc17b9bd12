"""Reading topics as any bare consumer does, without group or commits; and what a group has not read yet."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import Final, Self

from aiokafka import ConsumerRecord, TopicPartition

from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.consumers import make_consumer
from service.adapters.kafka.errors import kafka_errors
from service.adapters.kafka.topic_provisioning import admin_client, missing_topics, partitions_of

_SECONDS = 15.0
_POLL_MS = 200  # a look that finds the mark of a transaction alone ends only with this
_NOWHERE: Final[Mapping[int, int]] = {}
_AT_ONCE = 500  # records in memory: a batch of 1 MiB may hold 130,000


async def read_to_the_end(
    connection: KafkaConnection,
    topics: Iterable[str],
    *,
    from_ms: int | None = None,
    from_offset: int = 0,
    partition: int | None = None,
    from_offsets: Mapping[int, int] = _NOWHERE,
) -> AsyncGenerator[ConsumerRecord, None]:
    """Every record that the topics hold now; an open transaction's are not there yet. Raises TryLater.

    With `from_offset` none before that offset of its partition, with `partition` that one alone;
    `from_offsets` says so for each partition.
    """
    known = await _known(connection, topics)
    if not known:
        return
    async with _TopicReader(connection, known, from_ms) as reader:
        await reader.skip(from_offset, partition)
        for number, offset in from_offsets.items():
            await reader.skip_in(number, offset)
        async with aclosing(reader.unread()) as records:
            async for record in records:
                yield record


async def read_last(connection: KafkaConnection, topic: str, count: int) -> tuple[list[ConsumerRecord], bool]:
    """The last records of each partition, and whether these are all that the topic holds. Raises TryLater.

    A few less where marks of transactions stand among them.
    """
    known = await _known(connection, [topic])
    if not known:
        return [], True
    async with _TopicReader(connection, known, None) as reader:
        whole = await reader.go_back_from_the_end(count)
        return [record async for record in reader.unread()], whole


async def read_on(
    connection: KafkaConnection, topics: Iterable[str], *, from_ms: int | None = None
) -> AsyncGenerator[ConsumerRecord, None]:
    """Every record from the beginning, or from a time (milliseconds since 1970), and then as they come."""
    async with _TopicReader(connection, await _known(connection, topics), from_ms) as reader:
        while True:
            yield await reader.consumer.getone()


async def read_one(
    connection: KafkaConnection, topic: str, partition: int, offset: int
) -> ConsumerRecord | None:
    """The record at this place, None when there is none. Raises TryLater."""
    known = await _known(connection, [topic])
    if not known:
        return None
    async with (
        _TopicReader(connection, known, None) as reader,
        kafka_errors("reading a record", within=_SECONDS),
    ):
        return await reader.one(TopicPartition(topic, partition), offset)


async def _known(connection: KafkaConnection, topics: Iterable[str]) -> list[str]:
    asked = tuple(topics)
    missing = set(await missing_topics(connection, asked))
    return [topic for topic in asked if topic not in missing]


class _TopicReader:
    """A consumer that stands at the start in every partition of the topics."""

    def __init__(self, connection: KafkaConnection, topics: Iterable[str], from_ms: int | None) -> None:
        self.consumer = make_consumer(
            connection, *topics, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        self._from_ms = from_ms
        self._ends: dict[TopicPartition, int] = {}

    async def __aenter__(self) -> Self:
        try:
            async with kafka_errors("opening topics", within=_SECONDS):
                await self.consumer.start()
                await self._stand()
        except BaseException:
            await self.consumer.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.consumer.stop()

    async def unread(self) -> AsyncGenerator[ConsumerRecord, None]:
        """What the partitions held when reading began, and was not read."""
        while left := await self._unread_places():
            async with kafka_errors("reading records", within=_SECONDS):
                batches = await self.consumer.getmany(*left, timeout_ms=_POLL_MS, max_records=_AT_ONCE)
            for records in batches.values():
                for record in records:
                    yield record

    async def _unread_places(self) -> list[TopicPartition]:
        return [place for place, end in self._ends.items() if await self.consumer.position(place) < end]

    async def skip(self, offset: int, partition: int | None) -> None:
        """Leave out what stands before an offset, and every other partition."""
        for place in list(self._ends):
            if partition not in {None, place.partition}:
                del self._ends[place]
            elif await self.consumer.position(place) < offset:
                self.consumer.seek(place, offset)

    async def skip_in(self, partition: int, offset: int) -> None:
        """Leave out what stands before an offset of one partition."""
        for place in self._ends:
            if place.partition == partition and await self.consumer.position(place) < offset:
                self.consumer.seek(place, offset)

    async def go_back_from_the_end(self, count: int) -> bool:
        """Stand so many records before each partition's end; True where that is the start of all."""
        starts = await self.consumer.beginning_offsets(list(self._ends))
        for place, end in self._ends.items():
            self.consumer.seek(place, max(starts[place], end - count))
        return all(end - count <= starts[place] for place, end in self._ends.items())

    async def one(self, place: TopicPartition, offset: int) -> ConsumerRecord | None:
        """The record at an offset; None where the log holds none: a transaction's marker may stand there."""
        starts = await self.consumer.beginning_offsets([place]) if place in self._ends else {}
        if not starts or not starts[place] <= offset < self._ends[place]:
            return None
        self.consumer.seek(place, offset)
        while await self.consumer.position(place) <= offset:
            found = await self.consumer.getmany(place, timeout_ms=_POLL_MS, max_records=1)
            for record in found.get(place, ()):
                return record if record.offset == offset else None
        return None

    async def _stand(self) -> None:
        places = list(self.consumer.assignment())
        ends = await self.consumer.end_offsets(places)
        starts = await self.consumer.beginning_offsets(places)
        if self._from_ms is not None:
            found = await self.consumer.offsets_for_times(dict.fromkeys(places, self._from_ms))
            starts = {place: spot.offset if spot else ends[place] for place, spot in found.items()}
        for place in places:
            self.consumer.seek(place, starts[place])
        self._ends = {place: ends[place] for place in places if starts[place] < ends[place]}


_LAG_SECONDS: Final = 20.0
_MEMBERS: Final = 5  # the place of the members in the description of a group


async def read_unread(
    connection: KafkaConnection, group: str, topic: str
) -> AsyncGenerator[ConsumerRecord, None]:
    """Every record after what the group has committed; all of a partition in which it never was.

    Raises TryLater, Stop.
    """
    stands, is_behind = await _stands(connection, group, topic)
    if not is_behind:
        return
    async with aclosing(read_to_the_end(connection, [topic], from_offsets=stands)) as records:
        async for record in records:
            yield record


async def readers_in(connection: KafkaConnection, group: str) -> int:
    """How many consumers are in a group, by the broker's knowledge. Raises TryLater, Stop."""
    async with admin_client(connection, "asking who reads requests") as admin:
        [answer] = await admin.describe_consumer_groups([group])
    return sum(len(described[_MEMBERS]) for described in answer.groups)


async def _stands(connection: KafkaConnection, group: str, topic: str) -> tuple[dict[int, int], bool]:
    """Where the group stands in each partition, and whether records follow."""
    places = await partitions_of(connection, [topic])
    if not places:
        return {}, False
    asking = kafka_errors("asking where a group stands", within=_LAG_SECONDS)
    async with asking, make_consumer(connection, group_id=group, enable_auto_commit=False) as consumer:
        consumer.assign(places)
        ends, starts = await consumer.end_offsets(places), await consumer.beginning_offsets(places)
        stands = {place: await consumer.committed(place) or starts[place] for place in places}
    is_behind = any(stands[place] < ends[place] for place in places)
    return {place.partition: offset for place, offset in stands.items()}, is_behind
