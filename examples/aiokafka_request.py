"""Ask Laurel for a training with aiokafka (pip install aiokafka).

    export KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092
    python aiokafka_request.py order-7 '{"model_version": 3, "reason": "new sales"}'

It ends well only when Kafka has acknowledged the request. The same id again, with the same payload, is the
same request, so repeat it when you are not sure that it arrived.
"""

import asyncio
import json
import os
import sys
from typing import Any

from aiokafka import AIOKafkaProducer

SERVERS = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
TOPIC = os.environ.get("TRAINING_TOPIC", "training.requested")
SOURCE = "/examples/aiokafka"  # who asks; source and id together say which request it is


async def ask(event_id: str, payload: dict[str, Any]) -> None:
    """Publish the request and wait for the acknowledgement."""
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode()),
        ("ce_source", SOURCE.encode()),
        ("ce_type", b"laurel.training.requested.v1"),
        ("content-type", b"application/json"),
    ]
    async with AIOKafkaProducer(bootstrap_servers=SERVERS, enable_idempotence=True) as producer:
        sent = await producer.send_and_wait(TOPIC, json.dumps(payload).encode(), headers=headers)
    print(f"acknowledged: {sent.topic}/{sent.partition}/{sent.offset}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case [event_id, payload]:
            asyncio.run(ask(event_id, json.loads(payload)))
        case _:
            sys.exit("usage: python aiokafka_request.py ID PAYLOAD")
