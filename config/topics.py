"""The topics and consumer groups that Laurel uses, and how a topic is made where it does not exist yet."""

from collections.abc import Mapping
from typing import Final

from domain.events import DEAD_LETTER_TOPIC, OUTGOING, REQUEST_TOPIC, ModelPromoted

# The broker's clock orders events of several workers, whatever their own clocks say; and a producer whose
# clock is an hour wrong is not turned away.
_STAMPED_BY_THE_BROKER: Final = {"message.timestamp.type": "LogAppendTime"}
# The broker unpacks, once and within the topic's limit, so that no reader has to: whatever producers send.
_UNPACKED: Final = {"compression.type": "uncompressed"}
_OURS: Final = _STAMPED_BY_THE_BROKER | _UNPACKED
_AT_MOST_1_MIB: Final = {"max.message.bytes": str(1 << 20)}
# A record at the limit of the topic it came from still fits, with our headers.
_ROOM_FOR_THE_ORIGINAL: Final = {"max.message.bytes": str(4 << 20)}
# Long enough for a person to come back from a holiday; and whatever comes, a partition takes no more disk.
_KEPT_FOR_90_DAYS: Final = {"retention.ms": str(90 * 24 * 3600 * 1000)}
_AT_MOST_1_GIB: Final = {"retention.bytes": str(1 << 30)}

# What the ledger is checked against after a backup was restored; a record for each promotion.
KEPT_FOR_EVER: Final = {"retention.ms": "-1"}

EVENT_TOPICS: Final = tuple(event.topic for event in OUTGOING)

# What the worker needs; the reload listener reads `model.promoted` only.
TOPICS: Final[Mapping[str, Mapping[str, str]]] = {
    REQUEST_TOPIC: _OURS | _AT_MOST_1_MIB,
    DEAD_LETTER_TOPIC: _OURS | _ROOM_FOR_THE_ORIGINAL | _KEPT_FOR_90_DAYS | _AT_MOST_1_GIB,
    **dict.fromkeys(EVENT_TOPICS, _OURS),
    ModelPromoted.topic: _OURS | KEPT_FOR_EVER,
}


def requests_group(model_name: str) -> str:
    """Name the consumer group of the workers of one model."""
    return f"laurel.{model_name}.training-requested"


def reloads_group(model_name: str) -> str:
    """Name the consumer group of the reload listeners of one model."""
    return f"laurel.{model_name}.reload-listener"


def notices_group(model_name: str) -> str:
    """Name the consumer group of the notifiers of one model."""
    return f"laurel.{model_name}.notifier"
