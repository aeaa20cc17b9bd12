"""What every Notices promises."""

import asyncio
import uuid

import pytest

from domain.ports.notices import Claimed, NoticeClaim
from tests.contract.stores import LONG, SHORT, OnFakes, OnPostgres, Stores
from tests.kit.eventually import eventually

EVENT = "event 1"


def a_claim(event_id: str = EVENT, channel: str = "json-1") -> NoticeClaim:
    return NoticeClaim(event_id=event_id, channel=channel, claim_id=str(uuid.uuid4()))


async def claimed(stores: Stores, held: float = LONG) -> NoticeClaim:
    claim = a_claim()
    assert await stores.notices.claim(claim, held) is Claimed.MINE
    return claim


async def meets(stores: Stores, held: float = LONG) -> Claimed:
    """What another wish for the same event and channel meets."""
    return await stores.notices.claim(a_claim(), held)


class NoticesContract:
    async def test_of_all_who_would_tell_one_channel_of_one_event_one_does(
        self, stores: Stores, others: Stores
    ) -> None:
        met = await asyncio.gather(*(meets(process) for _ in range(8) for process in (stores, others)))
        assert sorted(met) == [Claimed.IN_HAND] * 15 + [Claimed.MINE]

    async def test_events_and_channels_are_apart(self, stores: Stores) -> None:
        await claimed(stores)
        for claim in (a_claim("event 2"), a_claim(channel="json-2")):
            assert await stores.notices.claim(claim, LONG) is Claimed.MINE

    @pytest.mark.parametrize("end", ["sent", "given_up"])
    async def test_what_has_ended_is_not_begun_again(self, stores: Stores, others: Stores, end: str) -> None:
        claim = await claimed(stores)
        for _ in range(2):
            await getattr(stores.notices, end)(claim)
        assert await meets(others, held=0) is Claimed.DONE
        assert not await stores.notices.again(claim)

    async def test_who_begins_another_try_is_alive(self, stores: Stores, others: Stores) -> None:
        claim = await claimed(stores)
        assert await stores.notices.again(claim)
        assert await meets(others) is Claimed.IN_HAND

    async def test_a_silent_one_is_given_up_and_told_of_once(self, stores: Stores, others: Stores) -> None:
        claim = await claimed(stores)

        async def given_up() -> bool:
            return await meets(others, SHORT) is Claimed.UNCLEAR

        await eventually(given_up)
        assert await meets(others, SHORT) is Claimed.DONE
        assert not await stores.notices.again(claim)

    async def test_what_was_released_is_begun_anew(self, stores: Stores, others: Stores) -> None:
        claim = await claimed(stores)
        await stores.notices.release(claim)
        assert await meets(others, held=0) is Claimed.MINE
        assert not await stores.notices.again(claim)
        await stores.notices.sent(claim)
        assert await meets(others) is Claimed.IN_HAND

    async def test_another_claim_ends_nothing(self, stores: Stores, others: Stores) -> None:
        await claimed(stores)
        stranger = a_claim()
        assert not await others.notices.again(stranger)
        for end in (others.notices.sent, others.notices.given_up, others.notices.release):
            await end(stranger)
        assert await meets(others) is Claimed.IN_HAND


class TestFakeNotices(OnFakes, NoticesContract):
    """In memory."""


class TestPostgresNotices(OnPostgres, NoticesContract):
    """On PostgreSQL."""
