"""What every AliasWrites promises."""

from tests.contract.stores import OnFakes, OnPostgres, Stores


class AliasWritesContract:
    async def test_a_write_is_open_from_its_record_to_its_end(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        assert not await stores.alias_writes.is_open(model, 7)
        number = await stores.alias_writes.open(model, 7, "w")
        assert await others.alias_writes.is_open(model, 7)
        assert not await others.alias_writes.is_open(model, 8)
        assert not await others.alias_writes.is_open(f"{model}, another", 7)
        for _ in range(2):
            await stores.alias_writes.close(number)
        assert not await others.alias_writes.is_open(model, 7)

    async def test_a_version_is_open_until_its_last_write_is_closed(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        first = await stores.alias_writes.open(model, 7, "w")
        second = await others.alias_writes.open(model, 7, "v")
        assert first != second
        await stores.alias_writes.close(first)
        assert await stores.alias_writes.is_open(model, 7)
        await stores.alias_writes.close(second)
        assert not await stores.alias_writes.is_open(model, 7)

    async def test_only_open_writes_of_that_age_are_settled(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        """A worker that died may have a write on its way; after a while that cannot be."""
        number = await stores.alias_writes.open(model, 1, "w")
        await stores.alias_writes.close(await stores.alias_writes.open(model, 2, "w"))
        await stores.alias_writes.open(f"{model}, another", 1, "w")
        assert list(await others.alias_writes.settled(model, 600)) == []
        assert list(await others.alias_writes.settled(model, 0)) == [number]

    async def test_every_beginning_and_every_end_of_a_write_is_seen_in_the_traffic(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        seen = [await others.alias_writes.traffic(model)]
        first = await stores.alias_writes.open(model, 7, "w")
        seen.append(await others.alias_writes.traffic(model))
        second = await stores.alias_writes.open(model, 7, "w")
        seen.append(await others.alias_writes.traffic(model))
        for number in (first, second):
            await stores.alias_writes.close(number)
            seen.append(await others.alias_writes.traffic(model))
        assert len(set(seen)) == len(seen)
        assert await others.alias_writes.traffic(model) == seen[-1]


class TestFakeAliasWrites(OnFakes, AliasWritesContract):
    """In memory."""


class TestPostgresAliasWrites(OnPostgres, AliasWritesContract):
    """On PostgreSQL."""
