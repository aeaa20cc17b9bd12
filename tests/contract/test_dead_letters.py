"""Port `DeadLetters`: the fake keeps the promises of the desk on the real broker."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from domain.errors import TryLater
from domain.ports.messages import DeadLetters
from domain.record import Record, Unreadable
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.dead_letters import KafkaDeadLetters, list_dead_letters
from service.adapters.kafka.topic_provisioning import ensure_topics
from service.runtime.metrics import Metrics
from tests.fakes.dead_letters import FakeDeadLetters
from tests.kit.records import record
from tests.worlds.servers import KafkaServer

MANY = [(None, None), (b"k", None), (None, b"x"), (b"k", b"y" * 30_000), (b"l", b"")] * 20
WHY = Unreadable(reason="not_json", detail="at character 3")


@dataclass
class Desks:
    """A desk, what it keeps, and one whose brokers are gone."""

    desk: DeadLetters
    kept: Callable[[], Awaitable[list[tuple[Record, Unreadable]]]]
    away: DeadLetters


class DeadLettersContract:
    async def test_what_was_added_is_kept_byte_by_byte_with_its_reason(self, desks: Desks) -> None:
        bad = record(b"\xff\x00", (("x", None), ("y", b"\xfe")), key=None)
        await desks.desk.add([(bad, WHY)])
        assert await desks.kept() == [(bad, WHY)]

    async def test_a_record_of_nothing_at_all_is_kept_too(self, desks: Desks) -> None:
        nothing = record(None, key=None)
        await desks.desk.add([(nothing, WHY)])
        assert await desks.kept() == [(nothing, WHY)]

    async def test_a_repeat_says_the_same_again(self, desks: Desks) -> None:
        for _ in range(2):
            await desks.desk.add([(record(b"x"), WHY)])
        first, second = await desks.kept()
        assert first == second

    async def test_many_are_kept_at_once_whatever_they_are(self, desks: Desks) -> None:
        many = [(record(value, key=key, offset=n), WHY) for n, (key, value) in enumerate(MANY)]
        await desks.desk.add(many)
        kept = await desks.kept()
        assert sorted(kept, key=lambda one: one[0].coordinates.offset) == many

    async def test_a_desk_that_cannot_be_reached_says_what_it_waits_for(self, desks: Desks) -> None:
        with pytest.raises(TryLater) as late:
            await desks.away.add([(record(b"x"), WHY)])
        assert (late.value.reason, late.value.waiting_on) == ("dead_letters_unavailable", "kafka")


class TestFake(DeadLettersContract):
    @pytest.fixture
    def desks(self) -> Desks:
        desk, away = FakeDeadLetters(), FakeDeadLetters()
        away.away = True

        async def kept() -> list[tuple[Record, Unreadable]]:
            return desk.kept

        return Desks(desk, kept, away)


class TestKafka(DeadLettersContract):
    @pytest.fixture
    async def desks(self, kafka_server: KafkaServer) -> AsyncIterator[Desks]:
        connection, topic = KafkaConnection(kafka_server.bootstrap_servers), f"dead-{uuid.uuid4().hex[:12]}"
        await ensure_topics(connection, {topic: {"max.message.bytes": "100000"}})
        desk = KafkaDeadLetters(connection, topic, metrics=Metrics())
        away = KafkaDeadLetters(KafkaConnection("127.0.0.1:1"), topic, metrics=Metrics())

        async def kept() -> list[tuple[Record, Unreadable]]:
            letters = [one async for one in list_dead_letters(connection, topic)]
            return [(one.record, Unreadable.model_validate(one.why.model_dump())) for one in letters]

        yield Desks(desk, kept, away)
        await desk.stop()
        await away.stop()

    async def test_what_the_topic_does_not_take_whole_is_cut_and_says_so(self, desks: Desks) -> None:
        """Only the real topic has a limit: the partition goes on, and the digest tells what it was."""
        large = record(b"x" * 200_000, (("h", b"1"),), key=b"k")
        await desks.desk.add([(large, WHY), (record(b"small", key=b"k", offset=8), WHY)])
        (kept, why), (small, _) = await desks.kept()
        assert small.value == b"small"
        assert kept.value is not None
        assert len(kept.value) < 100_000
        assert why.reason == "not_json"
        assert "of 200000 bytes" in why.detail
