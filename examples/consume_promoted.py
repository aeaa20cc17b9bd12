"""Act on every promotion once, with confluent-kafka (pip install confluent-kafka) and SQLite.

    export KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092
    python consume_promoted.py my-service deployments.sqlite      # until Ctrl-C
    python consume_promoted.py my-service deployments.sqlite 10   # ends after ten promotions

Kafka brings a record at least once. So the event's id is kept in the same transaction as what is done because
of it, and the offset is committed after that: killed at any moment, it goes on, leaves nothing out and does
nothing twice. What you do yourself stands in `act`.
"""

import json
import os
import sqlite3
import sys
from contextlib import closing, suppress
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message

SERVERS = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
TOPIC = os.environ.get("KAFKA_TOPIC", "model.promoted")
TYPE = "laurel.model.promoted.v1"


def act(database: sqlite3.Connection, promoted: dict[str, Any]) -> None:
    """Do what a promotion means to you; here the newest generation of each model is written down."""
    database.execute(
        "INSERT INTO deployed (model, generation, uri) VALUES (?, ?, ?) ON CONFLICT (model) DO UPDATE"
        " SET generation = excluded.generation, uri = excluded.uri WHERE excluded.generation > generation",
        (promoted["model_name"], promoted["generation"], promoted["model_uri"]),
    )


def read(message: Message) -> tuple[str, dict[str, Any]] | None:
    """The event's id and what it says; None for a record that is no promotion."""
    headers = {name: value for name, value in message.headers() or [] if isinstance(value, bytes)}
    if headers.get("ce_type") != TYPE.encode() or "ce_id" not in headers:
        return None
    with suppress(ValueError):  # a newer Laurel may add fields; a record of others may be no JSON
        return headers["ce_id"].decode(), json.loads(message.value() or b"")
    return None


def handle(database: sqlite3.Connection, message: Message) -> bool:
    """Act on an event unless its id is known: both are one transaction. False for what is not new."""
    if (found := read(message)) is None:
        print(f"no promotion: {message.topic()}/{message.partition()}/{message.offset()}", file=sys.stderr)
        return False
    event_id, promoted = found
    with database:
        seen = database.execute("INSERT INTO seen (event_id) VALUES (?) ON CONFLICT DO NOTHING", (event_id,))
        if not seen.rowcount:
            return False
        act(database, promoted)
    print(f"{promoted['model_uri']} is generation {promoted['generation']}: {'; '.join(promoted['reasons'])}")
    return True


def consume(group: str, database: sqlite3.Connection, most: int | None) -> None:
    """Handle one record after another, and commit each after that."""
    consumer = Consumer(
        {
            "bootstrap.servers": SERVERS,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    consumer.subscribe([TOPIC])
    try:
        while most is None or most > 0:
            message = consumer.poll(1.0)
            if message is None:
                continue
            if error := message.error():
                raise KafkaException(error)
            is_new = handle(database, message)
            consumer.commit(message, asynchronous=False)
            most = most if most is None else most - is_new
    finally:
        consumer.close()


def main(group: str, path: str, most: int | None) -> None:
    """Make the tables, if they are not there, and consume."""
    with closing(sqlite3.connect(path)) as database, suppress(KeyboardInterrupt):
        database.execute("CREATE TABLE IF NOT EXISTS seen (event_id TEXT PRIMARY KEY)")
        database.execute(
            "CREATE TABLE IF NOT EXISTS deployed (model TEXT PRIMARY KEY, generation INTEGER, uri TEXT)"
        )
        consume(group, database, most)


if __name__ == "__main__":
    match sys.argv[1:]:
        case [group, path]:
            main(group, path, None)
        case [group, path, most]:
            main(group, path, int(most))
        case _:
            sys.exit("usage: python consume_promoted.py GROUP FILE [COUNT]")
