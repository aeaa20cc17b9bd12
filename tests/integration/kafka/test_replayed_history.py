"""Who reigned when: the ledger says for every moment what a replay of `model.promoted` from Kafka says."""

import uuid
from datetime import UTC, datetime, timedelta

from config.topics import TOPICS
from domain.announcement import announcement_of
from domain.events import ModelPromoted
from domain.ledger import Cause, LedgerEntry, recovery_entry
from domain.rollback import rollback_entry
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.publisher import KafkaPublisher
from service.adapters.kafka.requests import read_events
from service.adapters.kafka.topic_provisioning import ensure_topics
from service.adapters.postgres.champion_history import PostgresChampionHistory
from service.adapters.postgres.one_session import open_one_session
from service.runtime.metrics import Metrics
from tests.contract.stores import Stores, following, on_postgres
from tests.kit.reigns import replayed

NOON = datetime(2026, 11, 17, 12, tzinfo=UTC)
# Clocks that are behind, equal moments, a recovery in the middle, and a rollback.
SECONDS = (0, 5, 5, 3, 20, 12, 40)
RECOVERY, ROLLBACK = 4, 5


def second(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def made(model: str) -> list[LedgerEntry]:
    entries: list[LedgerEntry] = []
    for place, seconds in enumerate(SECONDS):
        head, at = entries[-1] if entries else None, second(seconds)
        if place == RECOVERY:
            entry = recovery_entry(
                model, head, highest=9, version=2, reasons=("restored",), actor="ada", at=at
            )
        elif place == ROLLBACK:
            entry = rollback_entry(
                entries[-1], entries[0], reason="too high", actor="ada", at=at, key="a key"
            )
        else:
            entry = following(head, model, version=place + 1, cause=Cause.OVERRIDE, at=at)
        entries.append(entry)
    return entries


async def announced(stores: Stores, connection: KafkaConnection, model: str) -> None:
    """Bring the ledger's generations to Kafka as a worker does; some twice, as after a crash."""
    ledger_id = await stores.ledger.identity()
    for entry in await stores.ledger.unannounced(model):
        await stores.ledger.announce(entry, announcement_of(entry, ledger_id))
    told = [row.announcement for row in await stores.outbox.unsent(100)]
    publisher = KafkaPublisher(connection, metrics=Metrics(), max_event_bytes=1 << 20)
    for announcement in [*told, *told[:3]]:
        await publisher.publish(announcement)
    await publisher.stop()


async def test_the_ledger_agrees_with_a_replay_from_kafka_for_every_moment(
    connection: KafkaConnection, migrated_url: str
) -> None:
    model = f"price-{uuid.uuid4().hex}"
    await ensure_topics(connection, TOPICS)
    async with on_postgres(migrated_url, model) as stores:
        for entry in made(model):
            await stores.ledger.append(entry)
        await announced(stores, connection, model)
    heard = [event async for event in read_events(connection, [ModelPromoted.topic]) if event.key == model]
    events = [ModelPromoted.model_validate(event.data) for event in heard]
    told = [(one.generation, datetime.fromisoformat(one.promoted_at), one.version) for one in events]

    assert len(told) == len(SECONDS) + 3
    async with open_one_session(migrated_url, application="t") as session:
        history = PostgresChampionHistory(session, model)
        for tenths in range(-10, 500, 5):
            at = second(tenths / 10)
            reign = await history.at(at)
            assert (None if reign is None else reign.entry.version) == replayed(told, at), at
