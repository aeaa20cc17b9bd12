"""What every ChampionLosses promises."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from domain.ports.champion_history import ChampionLosses
from service.adapters.postgres.champion_losses import PostgresChampionLosses
from service.adapters.postgres.database import open_database
from tests.contract.stores import OnFakes, OnPostgres, Stores, announcement
from tests.fakes.champion_history import FakeChampionLosses
from tests.fakes.memory import Memory


class LossesContract:
    async def test_a_loss_that_lasts_is_one_however_many_notice_it(
        self, losses: ChampionLosses, model: str
    ) -> None:
        found = await asyncio.gather(*(losses.noticed(model, 3) for _ in range(8)))
        assert len(set(found)) == 1
        assert found[0].number == 1

    async def test_after_its_end_comes_another_one(self, losses: ChampionLosses, model: str) -> None:
        await losses.ended(model, 3)  # none lasts
        first = await losses.noticed(model, 3)
        for _ in range(2):
            await losses.ended(model, 3)
        second = await losses.noticed(model, 3)
        assert (first.number, second.number) == (1, 2)
        assert second.noticed_at >= first.noticed_at

    async def test_each_generation_has_losses_of_its_own(self, losses: ChampionLosses, model: str) -> None:
        await losses.noticed(model, 3)
        await losses.ended(model, 3)
        assert (await losses.noticed(model, 4)).number == 1
        assert (await losses.noticed(f"{model}, another", 3)).number == 1

    async def test_it_is_announced_once(self, losses: ChampionLosses, stores: Stores, model: str) -> None:
        told = announcement(model, "champion.missing")
        for _ in range(2):
            await losses.announce(told)
        assert [row.announcement for row in await stores.outbox.unsent(10)] == [told]


class TestFakeLosses(OnFakes, LossesContract):
    """In memory."""

    @pytest.fixture
    def losses(self, memory: Memory) -> ChampionLosses:
        return FakeChampionLosses(memory)


class TestPostgresLosses(OnPostgres, LossesContract):
    """On PostgreSQL."""

    @pytest.fixture
    async def losses(self, migrated_url: str) -> AsyncIterator[ChampionLosses]:
        async with open_database(migrated_url) as database:
            yield PostgresChampionLosses(database)
