"""Whatever fails, in whatever turns a partition is read: no record is passed over, and letters are few."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import TryLater
from domain.record import Record, Unreadable
from handlers.handled import Handled, set_aside
from service.adapters.kafka import bad_records
from service.adapters.kafka.delivery import KafkaDelivery
from service.runtime.metrics import Metrics
from service.runtime.retry import RetryPolicy

PLACE = TopicPartition("requests", 0)
ONE_BY_ONE = 4
BATCHES = st.lists(st.lists(st.booleans(), min_size=1, max_size=5 * ONE_BY_ONE), min_size=1, max_size=5)
CHANCES = st.sampled_from([0, 0, 3, 20])  # per cent
AWAY = TryLater("away", "it is away", waiting_on="kafka")


class Log:
    """One partition as a consumer sees it; each record knows whether it is good, and where its batch ends."""

    def __init__(self, batches: list[list[bool]]) -> None:
        self.good = [good for batch in batches for good in batch]
        self.ends: list[int] = []
        for batch in batches:
            self.ends += [len(self.ends) + len(batch) - 1] * len(batch)
        self.position = self.committed = 0
        self.ended: set[int] = set()  # offsets that were stored, or that a letter tells of

    def next_turn(self, most: int) -> list[Any]:
        offsets = range(self.position, min(self.position + most, len(self.good)))
        self.position = offsets.stop
        return [raw(offset) for offset in offsets]

    def batch_end(self, place: TopicPartition, offset: int) -> int:
        assert place == PLACE
        return self.ends[offset]

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        (self.committed,) = offsets.values()
        assert set(range(self.committed)) <= self.ended

    def seek(self, place: TopicPartition, offset: int) -> None:
        assert place == PLACE
        self.position = offset

    def pause(self, _: TopicPartition) -> None:
        """The test takes the next turn when it likes."""

    def assignment(self) -> set[TopicPartition]:
        return set()


def raw(offset: int) -> Any:
    return SimpleNamespace(
        topic=PLACE.topic, partition=0, offset=offset, timestamp=0, key=None, value=b"", headers=()
    )


class Counterparts:
    """Store and desk, each away now and then."""

    def __init__(self, log: Log, chances: Iterator[bool]) -> None:
        self.log, self.chances = log, chances
        self.letters: set[tuple[int, int]] = set()

    async def handle(self, record: Record) -> Handled:
        offset = record.coordinates.offset
        if not self.log.good[offset]:
            return set_aside(Unreadable(reason="empty", detail="nothing"))
        if next(self.chances):
            raise AWAY
        self.log.ended.add(offset)
        return Handled(outcome="stored")

    async def keep(self, letters: Sequence[tuple[Record, Unreadable]]) -> None:
        for record, why in letters:
            if next(self.chances):
                raise AWAY
            self._keep(record, why)

    def _keep(self, record: Record, why: Unreadable) -> None:
        first = record.coordinates.offset
        last = why.extent.last_offset if why.extent else first
        self.letters.add((first, last))
        told = [offset for offset in range(first, last + 1) if not self.log.good[offset]]
        assert len(told) == (why.extent.records if why.extent else 1)
        self.log.ended.update(told)


async def read_to_the_end(log: Log, counterparts: Counterparts, most: int, revoked: Iterator[bool]) -> None:
    policy = RetryPolicy(first_pause=0.0, longest_pause=0.0)
    delivery = KafkaDelivery(metrics=Metrics(), keep=counterparts.keep, retries=policy)
    while log.committed < len(log.good):
        if next(revoked):
            await delivery.listener.on_partitions_revoked(())
            log.position = log.committed
        if turn := log.next_turn(most):
            await delivery.deliver(log, turn, counterparts.handle)  # type: ignore[arg-type] # all that it needs
        await delivery.pass_over(log, PLACE, log.position)  # type: ignore[arg-type] # as the watch does


@given(BATCHES, st.sampled_from([1, 3, 50]), CHANCES, CHANCES, st.randoms(use_true_random=False))
def test_no_position_is_committed_past_a_record_that_is_neither_stored_nor_told_of(
    batches: list[list[bool]], most: int, away: int, revoked: int, random: Any
) -> None:
    log = Log(batches)

    def chances(percent: int) -> Iterator[bool]:
        while True:
            yield random.random() * 100 < percent

    counterparts = Counterparts(log, chances(away))
    with patch.object(bad_records, "ONE_BY_ONE", ONE_BY_ONE):
        asyncio.run(read_to_the_end(log, counterparts, most, chances(revoked)))
    assert log.ended == set(range(len(log.good)))
    if not revoked:
        per_batch = Counter(log.ends[first] for first, _ in counterparts.letters)
        assert max(per_batch.values(), default=0) <= ONE_BY_ONE + 1
