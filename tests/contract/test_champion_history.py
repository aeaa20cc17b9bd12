"""What every ChampionHistory promises."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from domain.announcement import diverged, reloaded
from domain.convergence import Problem, Replica, ReplicaObservation, RolloutTarget, Served
from domain.history import Reign
from domain.ledger import Cause, LedgerEntry
from domain.ports.champion_history import ChampionHistory, ChampionLosses
from service.adapters.postgres.champion_history import PostgresChampionHistory
from service.adapters.postgres.champion_losses import PostgresChampionLosses
from service.adapters.postgres.database import open_database
from service.adapters.postgres.one_session import open_one_session
from tests.contract.stores import OnFakes, OnPostgres, Stores, following, promoted, request
from tests.fakes.champion_history import FakeChampionHistory, FakeChampionLosses
from tests.fakes.memory import Memory
from tests.kit.reigns import reigning_at, reigns_of

NOON = datetime(2026, 11, 17, 12, tzinfo=UTC)
# The third is by a clock that is behind; the last two were made at one moment.
MINUTES = (0, 10, 7, 30, 30)


def minute(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


class HistoryContract:
    @pytest.fixture
    async def entries(self, stores: Stores, model: str) -> list[LedgerEntry]:
        entries: list[LedgerEntry] = []
        for version, minutes in enumerate(MINUTES, start=1):
            head = entries[-1] if entries else None
            entries.append(following(head, model, version=min(version, 3), at=minute(minutes)))
            await stores.ledger.append(entries[-1])
        return entries

    async def test_who_reigned_is_told_for_every_moment(
        self, history: ChampionHistory, entries: list[LedgerEntry]
    ) -> None:
        told = {minutes: await history.at(minute(minutes)) for minutes in (-1, 0, 8, 10, 29.9, 30, 1000)}
        reigns = reigns_of(entries)
        assert told == {minutes: reigning_at(reigns, minute(minutes)) for minutes in told}
        generations = [None if reign is None else reign.entry.generation for reign in told.values()]
        assert generations == [None, 1, 1, 3, 3, 5, 5]

    async def test_a_generation_reigns_until_the_next_one(
        self, history: ChampionHistory, entries: list[LedgerEntry]
    ) -> None:
        found = [await history.generation(entry.generation) for entry in entries]
        assert found == reigns_of(entries)
        assert await history.generation(99) is None

    async def test_pages_follow_each_other_from_the_newest(
        self, history: ChampionHistory, entries: list[LedgerEntry]
    ) -> None:
        first, second = await history.page(2), await history.page(10, before=4)
        assert [*first, *second] == reigns_of(entries)[::-1]

    async def test_what_reigned_since_a_moment_begins_with_who_reigned_then(
        self, history: ChampionHistory, entries: list[LedgerEntry]
    ) -> None:
        assert numbers(await history.page(10, since=minute(20))) == [5, 4, 3]
        assert numbers(await history.page(10, since=minute(20), before=5)) == [4, 3]
        assert numbers(await history.page(10, since=minute(-5))) == [5, 4, 3, 2, 1]
        assert len(entries) == len(MINUTES)

    async def test_the_generations_of_a_version_come_newest_first(
        self, history: ChampionHistory, entries: list[LedgerEntry]
    ) -> None:
        assert numbers(await history.of_version(3)) == [5, 4, 3]
        assert await history.of_version(len(entries)) == []

    async def test_a_run_s_generation_names_who_requested_it(
        self, stores: Stores, history: ChampionHistory, model: str
    ) -> None:
        asked = request(model, requested_by="ada")
        await stores.runs.add(asked)
        (run,) = await stores.runs.find(asked.identity)
        await stores.ledger.append(following(None, model, cause=Cause.GATE, run_id=run.run_id))
        (reign,) = await history.page(1)
        assert reign.requested_by == "ada"

    async def test_when_a_generation_was_shown_is_known_from_its_announcement(
        self, stores: Stores, history: ChampionHistory, entries: list[LedgerEntry]
    ) -> None:
        assert await history.shown_at(1) is None
        await stores.ledger.announce(entries[0], promoted(entries[0]))
        assert await history.shown_at(1) is not None
        assert await history.shown_at(2) is None

    async def test_what_was_said_of_replicas_is_told_for_its_generation(
        self, stores: Stores, history: ChampionHistory, model: str
    ) -> None:
        for generation in (1, 2):
            target = RolloutTarget(generation=generation, version=generation, promotion_id="p")
            served = Served(version=generation, generation=generation)
            replica = Replica(url="http://inference:8000")
            away = ReplicaObservation(problem=Problem(reason="no_answer", detail="\x00 in time"))
            await stores.outbox.add(diverged(model, replica, target, away, at=NOON, listener="l"))
            await stores.outbox.add(reloaded(model, replica, target, served, at=NOON, listener="l"))
        told = await history.replicas(2)
        assert [(event.topic, event.generation) for event in told] == [
            ("inference.diverged", 2),
            ("inference.reloaded", 2),
        ]
        assert await history.replicas(3) == []

    async def test_losses_are_told_for_their_generation(
        self, history: ChampionHistory, losses: ChampionLosses, model: str
    ) -> None:
        first = await losses.noticed(model, 1)
        await losses.ended(model, 1)
        second = await losses.noticed(model, 1)
        assert list(await history.losses(1)) == [first.noticed_at, second.noticed_at]
        assert await history.losses(2) == []

    async def test_another_model_has_another_history(
        self, stores: Stores, history: ChampionHistory, model: str
    ) -> None:
        await stores.ledger.append(following(None, f"{model}, another"))
        assert await history.page(5) == []
        assert await history.at(minute(1000)) is None


def numbers(reigns: Sequence[Reign]) -> list[int]:
    return [reign.entry.generation for reign in reigns]


class TestFakeHistory(OnFakes, HistoryContract):
    """In memory."""

    @pytest.fixture
    def history(self, memory: Memory, model: str) -> ChampionHistory:
        return FakeChampionHistory(memory, model)

    @pytest.fixture
    def losses(self, memory: Memory) -> ChampionLosses:
        return FakeChampionLosses(memory)


class TestPostgresHistory(OnPostgres, HistoryContract):
    """On PostgreSQL."""

    @pytest.fixture
    async def history(self, migrated_url: str, model: str) -> AsyncIterator[ChampionHistory]:
        async with open_one_session(migrated_url, application="t") as session:
            yield PostgresChampionHistory(session, model)

    @pytest.fixture
    async def losses(self, migrated_url: str) -> AsyncIterator[ChampionLosses]:
        async with open_database(migrated_url) as database:
            yield PostgresChampionLosses(database)
