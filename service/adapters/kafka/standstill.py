"""How long a partition has stood still that holds records which were not dealt with."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import structlog
from aiokafka import TopicPartition

_REPEAT_SECONDS: Final = 300.0

log = structlog.get_logger("laurel.inbox")


@dataclass
class _Still:
    """Since when nothing moved beyond a position, and when that was last told."""

    position: int | None
    since: float
    told: float | None = None


class Standstill:
    """Compares one look with the ones before; a partition that is read to its end stands still rightly."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._still: dict[TopicPartition, _Still] = {}
        self.is_dead = False

    def look(
        self,
        reached: Mapping[TopicPartition, int | None],
        ends: Mapping[TopicPartition, int],
        next_tries: Mapping[TopicPartition, float],
    ) -> None:
        """Say of each partition how far all is dealt with, where its records end, and when a try comes next.

        A record that waits for a service does not count: what it waits for is reported elsewhere.
        """
        now = time.monotonic()
        for place, position in reached.items():
            still = self._still.get(place)
            if still is None or still.position != position or ends.get(place, 0) <= (position or 0):
                self._still[place] = _Still(position, now)
        self._still = {place: still for place, still in self._still.items() if place in reached}
        dead = [place for place in reached if now - self._alive_at(place, next_tries) > self._limit]
        for place in dead:
            self._tell(place, ends.get(place, 0), now)
        self.is_dead = bool(dead)

    def forget(self) -> None:
        """Start over: nobody knows where the records end."""
        self._still.clear()
        self.is_dead = False

    def seconds(self, topic: str, places: Collection[TopicPartition]) -> float:
        """The longest standstill of a topic's partitions."""
        now = time.monotonic()
        since = (
            self._still[place].since for place in places if place.topic == topic and place in self._still
        )
        return max((now - one for one in since), default=0.0)

    def _alive_at(self, place: TopicPartition, next_tries: Mapping[TopicPartition, float]) -> float:
        return max(self._still[place].since, next_tries.get(place, 0.0))

    def _tell(self, place: TopicPartition, end: int, now: float) -> None:
        still = self._still[place]
        if still.told is not None and now - still.told < _REPEAT_SECONDS:
            return
        still.told = now
        log.error(
            "partition_stands_still",
            topic=place.topic,
            partition=place.partition,
            position=still.position,
            end=end,
            seconds=round(now - still.since, 1),
            message="it holds records that are not read, for an unknown reason; this process is not live",
        )
