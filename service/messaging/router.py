"""Topic → handler, group, ack policy: the only file here that knows FastStream."""

from collections.abc import Sequence
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord
from faststream import AckPolicy
from faststream.kafka import KafkaRouter
from faststream.kafka.message import KafkaMessage

from handlers.handled import Handle

_FETCH_BYTES: Final = 1 << 20  # of one partition in one answer; a larger record still comes, alone
TURN_RECORDS: Final = 50  # of one partition, before the others have their turn


class Delivery(Protocol):
    """Brings raw records of one partition to their handler; commits them, or lets the partition wait."""

    @property
    def listener(self) -> ConsumerRebalanceListener:
        """Hears of partitions that come and go."""

    async def deliver(
        self, consumer: AIOKafkaConsumer, turn: Sequence[ConsumerRecord], handle: Handle
    ) -> None:
        """Never raises for what a handler raises."""


def route(
    topics: str | Sequence[str],
    handle: Handle,
    *,
    group: str,
    member: str,
    delivery: Delivery,
    session_seconds: float = 10.0,
    poll_seconds: float = 300.0,
) -> KafkaRouter:
    """Bring the records of one topic, or of several, to `handle`.

    `member` is the stable name of this process in the group: with it a restarted worker gets its partitions
    back at once instead of after the session of the dead one. Two living processes must not share it.
    """
    router = KafkaRouter()
    subscriber = router.subscriber(
        *([topics] if isinstance(topics, str) else topics),
        group_id=group,
        group_instance_id=member,
        ack_policy=AckPolicy.MANUAL,
        auto_offset_reset="earliest",
        no_reply=True,  # a `reply_to` header would otherwise send what the handler returns to a stranger
        parser=_as_it_came,
        decoder=_undecoded,
        listener=delivery.listener,
        batch=True,
        max_records=TURN_RECORDS,
        session_timeout_ms=int(session_seconds * 1000),
        heartbeat_interval_ms=int(session_seconds * 1000 / 4),
        max_poll_interval_ms=int(poll_seconds * 1000),
        max_partition_fetch_bytes=_FETCH_BYTES,
        fetch_max_bytes=8 * _FETCH_BYTES,
    )

    @subscriber
    async def deliver(turn: Any) -> None:  # any other type FastStream would check, record by record
        await delivery.deliver(subscriber.consumer, turn, handle)

    return router


async def _as_it_came(raw: Sequence[ConsumerRecord]) -> KafkaMessage:
    """Wrap records unseen: FastStream's own parser fails on a bad header, outside of any handler."""
    return KafkaMessage(body=raw, raw_message=raw, consumer=None)  # type: ignore[arg-type]


async def _undecoded(message: KafkaMessage) -> Sequence[ConsumerRecord]:
    return message.raw_message
