"""Ask Laurel for a training with confluent-kafka (pip install confluent-kafka).

    export KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092
    python confluent_kafka_request.py order-7 '{"model_version": 3, "reason": "new sales"}'

It ends well only when the delivery report says that Kafka has the request. The same id again, with the same
payload, is the same request, so repeat it when you are not sure that it arrived.
"""

import json
import os
import sys
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

SERVERS = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
TOPIC = os.environ.get("TRAINING_TOPIC", "training.requested")
SOURCE = "/examples/confluent-kafka"  # who asks; source and id together say which request it is


def ask(event_id: str, payload: dict[str, Any]) -> None:
    """Publish the request and wait for the delivery report."""
    reports: list[tuple[KafkaError | None, Message]] = []
    producer = Producer(
        {"bootstrap.servers": SERVERS, "enable.idempotence": True, "message.timeout.ms": 20_000}
    )
    producer.produce(
        TOPIC,
        json.dumps(payload).encode(),
        headers=[
            ("ce_specversion", "1.0"),
            ("ce_id", event_id),
            ("ce_source", SOURCE),
            ("ce_type", "laurel.training.requested.v1"),
            ("content-type", "application/json"),
        ],
        on_delivery=lambda *report: reports.append(report),
    )
    producer.flush()  # returns with the report, at the latest when message.timeout.ms is over
    ((error, message),) = reports
    if error is not None:
        sys.exit(f"not acknowledged: {error}. Repeat it with the same id.")
    print(f"acknowledged: {message.topic()}/{message.partition()}/{message.offset()}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case [event_id, payload]:
            ask(event_id, json.loads(payload))
        case _:
            sys.exit("usage: python confluent_kafka_request.py ID PAYLOAD")
