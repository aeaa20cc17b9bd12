"""The commits of one consumer group's member: certain, never across a rebalance, never back."""

import asyncio
from typing import Any, Final

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from service.adapters.kafka.consumers import Consumer
from service.runtime.retry import RetryPolicy

_COMMIT_SECONDS: Final = 10.0

log = structlog.get_logger("laurel.inbox")


class Epochs(ConsumerRebalanceListener):  # type: ignore[misc] # the library ships no types
    """Counts the assignments: what was read under an older one may not be committed under a newer one."""

    def __init__(self) -> None:
        self.now = 0

    async def on_partitions_revoked(self, revoked: Any) -> None:  # noqa: ARG002 - the library's signature
        """A rebalance begins: partitions may be another's afterwards, and further on."""
        self.now += 1

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Nothing changes by what is assigned."""


class Commits:
    """Commits positions before which every record is dealt with."""

    def __init__(self, epochs: Epochs, retries: RetryPolicy) -> None:
        self._epochs = epochs
        self._retries = retries
        self._committed: dict[TopicPartition, int] = {}
        self._committing = asyncio.Lock()

    def reached(self, place: TopicPartition) -> int | None:
        """The position that was committed last; None before the first."""
        return self._committed.get(place)

    def forget(self, place: TopicPartition) -> None:
        """The partition starts over."""
        self._committed.pop(place, None)

    async def commit(self, consumer: Consumer, place: TopicPartition, position: int, epoch: int) -> bool:
        """Try until it is certain, or a rebalance began: the records then come again, here or elsewhere."""
        async with self._committing:
            for pause in self._retries.pauses():
                if self._epochs.now != epoch:
                    _say("commit_left_out", place, position, "a rebalance began")
                    return False
                try:
                    async with asyncio.timeout(_COMMIT_SECONDS):
                        await consumer.commit({place: position})
                except (CommitFailedError, IllegalStateError) as error:
                    _say("commit_refused", place, position, str(error))
                    return False
                except (KafkaError, TimeoutError) as error:
                    _say("commit_waits", place, position, type(error).__name__)
                    await asyncio.sleep(pause)
                else:
                    self._committed[place] = position
                    return True
        return False

    async def pass_over(self, consumer: Consumer, place: TopicPartition, position: int) -> None:
        """Commit it unless that was done; the next look does what fails."""
        async with self._committing:
            if self._committed.get(place, -1) >= position:
                return
            try:
                async with asyncio.timeout(_COMMIT_SECONDS):
                    await consumer.commit({place: position})
            except (KafkaError, TimeoutError):
                return
            self._committed[place] = position


def _say(what: str, place: TopicPartition, position: int, why: str) -> None:
    say = log.warning if what == "commit_waits" else log.info
    say(what, partition=place.partition, offset=position - 1, why=why)
