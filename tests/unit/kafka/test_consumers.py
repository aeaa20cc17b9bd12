"""Every consumer of ours reads committed records only: there is one place that makes them."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.consumer.fetcher import READ_COMMITTED

from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.consumers import make_consumer
from service.adapters.kafka.partition_watch import TurnConsumer

ROOT = Path(__file__).parents[3]
ADAPTER = ROOT / "service" / "adapters" / "kafka"
MAKER, TURNS = ADAPTER / "consumers.py", ADAPTER / "partition_watch.py"
# It reads back the one record that it wrote itself, in a broker that it starts for that.
REHEARSAL = ROOT / "service" / "local" / "servers" / "kafka.py"


def calls(path: Path) -> Iterator[str]:
    """The names of all that a file calls."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)


def test_no_other_file_makes_a_consumer() -> None:
    sources = [path for room in ("service", "handlers", "config") for path in (ROOT / room).rglob("*.py")]
    called = {path: set(calls(path)) for path in sources}
    kinds = {"AIOKafkaConsumer", "Consumer", "TurnConsumer"}
    assert {path for path, names in called.items() if kinds & names} == {MAKER, REHEARSAL}
    assert {path for path, names in called.items() if "guarded" in names} == {MAKER, TURNS}


@pytest.mark.parametrize("asked", [{}, {"isolation_level": "read_uncommitted"}])
async def test_whatever_is_asked_for_it_reads_what_is_committed(asked: dict[str, Any]) -> None:
    """FastStream asks for all records, unless told otherwise."""
    nowhere = KafkaConnection("127.0.0.1:9")
    turns = TurnConsumer.make(nowhere, "requests", unpacked_bytes=1, lost=lambda *_: None, **asked)
    for consumer in (make_consumer(nowhere, "requests", **asked), turns):
        assert consumer._isolation_level == "read_committed"
        await consumer.stop()
    assert READ_COMMITTED == 1


async def test_consumers_and_producers_look_at_topics_anew_every_half_minute() -> None:
    """One that grows, or is made again, is read within a minute."""
    nowhere = KafkaConnection("127.0.0.1:9")
    consumer, producer = make_consumer(nowhere, "requests"), AIOKafkaProducer(**nowhere.options())
    for client in (consumer._client, producer.client):
        assert client._metadata_max_age_ms == 30_000
    await consumer.stop()
    await producer.stop()
