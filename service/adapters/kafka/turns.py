"""A consumer that hands out the partitions' records in turns, so that a full one holds up no other."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition

from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.consumers import Consumer, Lost, consumer_options, guarded

Found = dict[TopicPartition, Sequence[ConsumerRecord]]


class TurnConsumer(Consumer):
    """`waiting` is true while its reader waits for records, and so has dealt with all before them."""

    waiting = False
    _served: TopicPartition | None = None

    async def getmany(
        self,
        *partitions: TopicPartition,  # noqa: ARG002 - the library's signature; here each has its turn
        timeout_ms: int = 0,  # noqa: ARG002 - likewise; a turn is waited for
        max_records: int | None = None,
    ) -> Found:
        """Return the next records of one partition, at most so many, and wait until there are some.

        The library reads a fetched partition to its end before the next one; a turn later it goes on here.
        The position moves on in the same moment in which `waiting` ends.
        """
        self.waiting = True
        try:
            await asyncio.sleep(0)  # while records are here already, nobody else would run
            for place in self._in_turn():
                found: Found = await super().getmany(place, max_records=max_records)
                if found:
                    self._served = place
                    return found
            first = await super().getone()
            return {TopicPartition(first.topic, first.partition): [first]}
        finally:
            self.waiting = False

    @classmethod
    def make(
        cls,
        connection: KafkaConnection,
        *topics: str,
        unpacked_bytes: int,
        lost: Lost,
        **options: Any,
    ) -> "TurnConsumer":
        """Build one as `make_consumer` builds others."""
        return guarded(cls(*topics, **consumer_options(connection, options)), unpacked_bytes, lost)

    def _in_turn(self) -> Iterator[TopicPartition]:
        """All partitions, the one that was served last at the end."""
        places = sorted(self.assignment())
        after = next((n + 1 for n, place in enumerate(places) if place == self._served), 0)
        yield from places[after:] + places[:after]
