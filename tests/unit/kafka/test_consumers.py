"""Every consumer of ours reads committed records only: there is one place that makes them."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED

from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.consumers import make_consumer

ROOT = Path(__file__).parents[3]
MAKER = ROOT / "service" / "adapters" / "kafka" / "consumers.py"
# It reads back the one record that it wrote itself, in a broker that it starts for that.
REHEARSAL = ROOT / "service" / "embedded" / "kafka.py"


def calls(path: Path) -> Iterator[str]:
    """The names of all that a file calls."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)


def test_no_other_file_makes_a_consumer() -> None:
    sources = [path for room in ("service", "handlers", "config") for path in (ROOT / room).rglob("*.py")]
    making = {path for path in sources if {"AIOKafkaConsumer", "Consumer"} & set(calls(path))}
    assert making == {MAKER, REHEARSAL}


@pytest.mark.parametrize("asked", [{}, {"isolation_level": "read_uncommitted"}])
async def test_whatever_is_asked_for_it_reads_what_is_committed(asked: dict[str, Any]) -> None:
    """FastStream asks for all records, unless told otherwise."""
    consumer = make_consumer(KafkaConnection("127.0.0.1:9"), "requests", **asked)
    assert consumer._isolation_level == "read_committed"
    assert READ_COMMITTED == 1
    await consumer.stop()
