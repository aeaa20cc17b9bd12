"""What Kafka would refuse is refused before it is committed."""

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from domain.announcement import Announcement
from domain.errors import NeverRetry
from service.messaging.event_size import refuse_too_large, size_on_wire


def announcement(body: str, **headers: str) -> Announcement:
    return Announcement(event_id="e", topic="model.evaluated", key="price", headers=headers, body=body)


@pytest.mark.parametrize("body", ["", "{}", "x" * 100, "\N{SNOWMAN}" * 50_000])
def test_the_size_is_never_less_than_the_batch_that_is_sent(body: str) -> None:
    event = announcement(body, ce_id="1" * 36, ce_source="/laurel/\N{SNOWMAN}")
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=1,
        producer_epoch=1,
        base_sequence=1,
        batch_size=1 << 24,
    )
    headers = [(name, text.encode()) for name, text in event.headers.items()]
    builder.append(0, 2**62, event.key.encode(), event.body.encode(), headers)
    actual = len(builder.build())
    assert actual <= size_on_wire(event) <= actual + 100


def test_an_event_over_the_limit_is_refused_with_both_figures() -> None:
    event = announcement("x" * 1000)
    refuse_too_large(event, size_on_wire(event))
    with pytest.raises(NeverRetry) as refused:
        refuse_too_large(event, size_on_wire(event) - 1)
    assert refused.value.reason == "event_too_large"
    assert refused.value.facts["bytes"] == size_on_wire(event)
