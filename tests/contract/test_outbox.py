"""What every Outbox promises."""

import asyncio

import pytest

from domain.errors import IllegalTransition
from domain.events import ModelPromoted
from domain.lifecycle import Outcome
from tests.contract.stores import (
    LONG,
    SHORT,
    OnFakes,
    OnPostgres,
    Stores,
    announcement,
    claimed,
    following,
    promoted,
)
from tests.kit.eventually import eventually


class OutboxContract:
    async def test_rows_come_in_the_order_in_which_they_were_committed(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        run = await claimed(stores, model)
        first, second, third = (announcement(model) for _ in range(3))
        await others.outbox.add(first)
        await stores.runs.advance(run, Outcome.RESOLVED, announcements=[second])
        await others.outbox.add(third)
        rows = await stores.outbox.unsent(10)
        assert [(row.announcement, row.run_id) for row in rows] == [
            (first, None),
            (second, run.run_id),
            (third, None),
        ]
        assert [row.announcement for row in await stores.outbox.unsent(2)] == [first, second]

    async def test_a_row_that_is_marked_sent_is_not_given_again(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        for _ in range(3):
            await stores.outbox.add(announcement(model))
        first, second, third = await stores.outbox.unsent(10)
        for _ in range(2):
            await stores.outbox.mark_sent([first.seq, third.seq])
        assert await others.outbox.unsent(10) == [second]
        await stores.outbox.mark_sent([])
        assert await others.outbox.unsent(10) == [second]

    async def test_the_same_event_is_added_once(self, stores: Stores, others: Stores, model: str) -> None:
        told = announcement(model)
        await asyncio.gather(*(process.outbox.add(told) for process in (stores, others) for _ in range(5)))
        (row,) = await stores.outbox.unsent(10)
        await stores.outbox.mark_sent([row.seq])
        await stores.outbox.add(told)
        assert await stores.outbox.unsent(10) == []

    async def test_what_was_told_is_found_by_its_ids_sent_or_not(self, stores: Stores, model: str) -> None:
        one, two, strange = announcement(model), announcement(model), announcement(f"{model}, another")
        for told in (one, two, strange):
            await stores.outbox.add(told)
        await stores.outbox.mark_sent([row.seq for row in await stores.outbox.unsent(1)])
        ids = [two.event_id, one.event_id, strange.event_id, "never"]
        assert list(await stores.outbox.told(ids)) == [one, two]
        assert list(await stores.outbox.told([])) == []

    async def test_another_models_rows_are_another_relays(self, stores: Stores, model: str) -> None:
        await stores.outbox.add(announcement(f"{model}, another"))
        assert await stores.outbox.unsent(10) == []
        assert await stores.outbox.oldest_age_seconds() == 0.0

    async def test_a_promotion_is_announced_by_the_ledger_alone(self, stores: Stores, model: str) -> None:
        with pytest.raises(IllegalTransition):
            await stores.outbox.add(announcement(model, ModelPromoted.topic))

    async def test_the_age_is_that_of_the_oldest_row_that_waits(self, stores: Stores, model: str) -> None:
        assert await stores.outbox.oldest_age_seconds() == 0.0
        await stores.outbox.add(announcement(model))
        await eventually(lambda: _older_than(stores, SHORT))
        (row,) = await stores.outbox.unsent(10)
        await stores.outbox.mark_sent([row.seq])
        assert await stores.outbox.oldest_age_seconds() == 0.0


async def _older_than(stores: Stores, seconds: float) -> bool:
    return await stores.outbox.oldest_age_seconds() > seconds


class RelayContract:
    async def test_one_process_is_the_relay(self, stores: Stores, others: Stores) -> None:
        assert await stores.outbox.try_to_be_the_relay()
        assert not await others.outbox.try_to_be_the_relay()
        assert await stores.outbox.try_to_be_the_relay()
        assert not await others.outbox.try_to_be_the_relay()


class RowWakingContract:
    """Each sleep could last a minute; the test's own time limit is what fails when nobody wakes up."""

    async def test_the_relay_wakes_up_for_a_transitions_announcement(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        run = await claimed(others, model)
        sleeper = await self._asleep(stores)
        await others.runs.advance(run, Outcome.RESOLVED, announcements=[announcement(model)])
        await self._wakes_up(sleeper)

    async def test_the_relay_wakes_up_for_a_report(self, stores: Stores, others: Stores, model: str) -> None:
        sleeper = await self._asleep(stores)
        await others.outbox.add(announcement(model))
        await self._wakes_up(sleeper)

    async def test_the_relay_wakes_up_for_a_generation(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        entry = following(None, model)
        await others.ledger.append(entry)
        sleeper = await self._asleep(stores)
        await others.ledger.announce(entry, promoted(entry))
        await self._wakes_up(sleeper)

    async def test_a_row_that_came_between_looking_and_sleeping_is_not_slept_through(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        assert await stores.outbox.unsent(10) == []
        await others.outbox.add(announcement(model))
        await self._wakes_up(asyncio.create_task(stores.outbox.wait_for_rows(LONG)))
        assert await eventually(lambda: stores.outbox.unsent(10))

    async def test_one_who_never_looks_is_woken_once_for_each_row(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        """A process that stands by as relay does not spin."""
        sleeper = await self._asleep(stores)
        await others.outbox.add(announcement(model))
        await self._wakes_up(sleeper)
        await self._asleep(stores)

    async def test_without_rows_the_sleep_ends_with_its_time(self, stores: Stores) -> None:
        await self._wakes_up(asyncio.create_task(stores.outbox.wait_for_rows(SHORT)))

    async def _asleep(self, stores: Stores) -> "asyncio.Task[None]":
        """Sleep, behind whatever else there is to wake up for."""
        for _ in range(10):
            sleeper = asyncio.create_task(stores.outbox.wait_for_rows(LONG))
            done, _ = await asyncio.wait({sleeper}, timeout=SHORT)
            if not done:
                return sleeper
        raise AssertionError("woken again and again, for nothing")

    async def _wakes_up(self, sleeper: "asyncio.Task[None]") -> None:
        async with asyncio.timeout(20):
            await sleeper


class TestFakeOutbox(OnFakes, OutboxContract):
    """In memory."""


class TestPostgresOutbox(OnPostgres, OutboxContract):
    """On PostgreSQL."""


class TestFakeRelay(OnFakes, RelayContract):
    """In memory."""


class TestPostgresRelay(OnPostgres, RelayContract):
    """On PostgreSQL."""


class TestFakeRowWaking(OnFakes, RowWakingContract):
    """In memory."""


class TestPostgresRowWaking(OnPostgres, RowWakingContract):
    """On PostgreSQL."""
