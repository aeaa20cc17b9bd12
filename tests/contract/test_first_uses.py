"""What every FirstUses promises."""

import asyncio

from tests.contract.stores import OnFakes, OnPostgres, Stores


class FirstUsesContract:
    async def test_what_was_never_used_is_not_known(self, stores: Stores) -> None:
        assert await stores.first_uses.known("splits", "v1") is None

    async def test_the_first_digest_stays(self, stores: Stores, others: Stores) -> None:
        assert await stores.first_uses.record("splits", "v1", "one", "run 1") == "one"
        assert await others.first_uses.record("splits", "v1", "two", "run 2") == "one"
        assert await stores.first_uses.known("splits", "v1") == "one"

    async def test_kinds_and_names_are_apart(self, stores: Stores) -> None:
        await stores.first_uses.record("splits", "v1", "one", "run")
        assert await stores.first_uses.record("features", "v1", "two", "run") == "two"
        assert await stores.first_uses.record("splits", "v2", "three", "run") == "three"

    async def test_of_all_who_use_a_name_at_once_one_is_first_and_all_agree(
        self, stores: Stores, others: Stores
    ) -> None:
        answers = await asyncio.gather(
            *(
                process.first_uses.record("reference", "v1", f"digest {number}", "run")
                for number in range(10)
                for process in (stores, others)
            )
        )
        assert set(answers) == {await stores.first_uses.known("reference", "v1")}


class TestFakeFirstUses(OnFakes, FirstUsesContract):
    """In memory."""


class TestPostgresFirstUses(OnPostgres, FirstUsesContract):
    """On PostgreSQL."""
