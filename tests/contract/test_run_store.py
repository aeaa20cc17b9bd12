"""What every RunStore promises about requests, claims and leases."""

import asyncio
from collections import Counter

import pytest

from domain.errors import LeaseLost
from domain.lifecycle import Outcome, State
from domain.ports.run_store import Added
from domain.request import Coordinates
from tests.contract.stores import (
    LONG,
    SHORT,
    OnFakes,
    OnPostgres,
    Stores,
    claim,
    claim_in_time,
    claimed,
    request,
)


class RequestContract:
    async def test_a_new_request_becomes_one_run_that_nobody_holds(self, stores: Stores, model: str) -> None:
        coordinates = Coordinates(topic="training.requested", partition=1, offset=2, timestamp_ms=3)
        asked = request(model, "one", model_version="3").model_copy(update={"coordinates": coordinates})
        assert await stores.runs.add(asked) is Added.NEW
        (run,) = await stores.runs.recent(model, 10)
        assert (run.identity, run.payload, run.correlation_id) == ("one", {"model_version": "3"}, "of one")
        assert (run.state, run.fence, run.owner, run.attempts) == (State.REQUESTED, 0, None, 0)
        assert run.outputs == {}
        assert run.requested_at.utcoffset() is not None

    async def test_the_same_request_again_changes_nothing(self, stores: Stores, model: str) -> None:
        asked = request(model, "same", b=2, a={"y": [1, 2], "x": None})
        await stores.runs.add(asked)
        again = asked.model_copy(update={"payload": {"a": {"x": None, "y": [1, 2]}, "b": 2}})
        assert await stores.runs.add(again) is Added.KNOWN
        assert len(await stores.runs.recent(model, 10)) == 1

    async def test_of_two_payloads_under_one_identity_the_first_stands(
        self, stores: Stores, model: str
    ) -> None:
        await stores.runs.add(request(model, "one", model_version=1))
        assert await stores.runs.add(request(model, "one", model_version=2)) is Added.CONFLICT
        (run,) = await stores.runs.recent(model, 10)
        assert run.payload == {"model_version": 1}

    async def test_fifty_deliveries_at_once_are_one_run(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        asked = request(model, "storm", model_version=1)
        answers = await asyncio.gather(
            *(process.runs.add(asked) for _ in range(25) for process in (stores, others))
        )
        assert Counter(answers) == {Added.NEW: 1, Added.KNOWN: 49}
        assert len(await stores.runs.recent(model, 100)) == 1

    async def test_two_models_may_have_a_request_of_one_identity(self, stores: Stores, model: str) -> None:
        assert await stores.runs.add(request(model, "one")) is Added.NEW
        assert await stores.runs.add(request(f"{model}, another", "one")) is Added.NEW

    @pytest.mark.parametrize(
        "text", ["\x00", "\ud800", "𐍈 é", "x" * 20_000], ids=["NUL", "half a pair", "wide", "long"]
    )
    async def test_whatever_json_can_say_is_kept_as_it_came(
        self, stores: Stores, model: str, text: str
    ) -> None:
        payload = {text: [text, 10**40, 1e300, -0.0, 1.0, True, None], "a": {"z": 1, "b": 2}}
        await stores.runs.add(request(model, "odd", **payload))
        (run,) = await stores.runs.recent(model, 1)
        assert run.payload == payload
        assert await stores.runs.add(request(model, "odd", **payload)) is Added.KNOWN

    async def test_a_long_identity_is_as_good_as_a_short_one(self, stores: Stores, model: str) -> None:
        long = "long" * 10_000
        assert await stores.runs.add(request(model, long)) is Added.NEW
        assert await stores.runs.add(request(model, long)) is Added.KNOWN
        assert len(await stores.runs.find(long)) == 1


class ClaimContract:
    async def test_the_oldest_request_is_claimed_first(self, stores: Stores, model: str) -> None:
        for identity in ("first", "second", "third"):
            await stores.runs.add(request(model, identity))
        order = [(await claim(stores, model)).identity for _ in range(3)]
        assert order == ["first", "second", "third"]
        assert await stores.runs.claim(model, "w", LONG) is None

    async def test_a_claim_says_who_holds_the_run_and_raises_its_fence(
        self, stores: Stores, model: str
    ) -> None:
        run = await claimed(stores, model, worker="anna")
        assert (run.owner, run.fence, run.state) == ("anna", 1, State.REQUESTED)
        await stores.runs.release(run)
        again = await claim(stores, model, worker="bert")
        assert (again.owner, again.fence, again.run_id) == ("bert", 2, run.run_id)

    async def test_a_living_lease_is_respected(self, stores: Stores, others: Stores, model: str) -> None:
        await claimed(stores, model)
        assert await others.runs.claim(model, "other", LONG) is None

    async def test_another_models_run_is_not_claimed(self, stores: Stores, model: str) -> None:
        await stores.runs.add(request(f"{model}, another"))
        assert await stores.runs.claim(model, "w", LONG) is None

    async def test_a_lease_that_ran_out_lets_another_worker_go_on(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        lost = await claimed(stores, model, lease=SHORT)
        taken = await claim_in_time(others, model)
        assert (taken.run_id, taken.fence, taken.owner) == (lost.run_id, lost.fence + 1, "other")

    async def test_an_ended_run_is_never_claimed(self, stores: Stores, model: str) -> None:
        run = await claimed(stores, model)
        ended = await stores.runs.advance(run, Outcome.REFUSED)
        assert (ended.state, ended.owner) == (State.REJECTED, None)
        assert await stores.runs.claim(model, "w", LONG) is None

    async def test_of_two_workers_one_wins_each_of_two_hundred_rounds(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        await stores.runs.add(request(model))
        for turn in range(1, 201):
            claims = await asyncio.gather(
                stores.runs.claim(model, "anna", LONG), others.runs.claim(model, "bert", LONG)
            )
            (won,) = [run for run in claims if run is not None]
            assert won.fence == turn
            await stores.runs.release(won)

    async def test_workers_side_by_side_share_the_runs(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        for _ in range(20):
            await stores.runs.add(request(model))
        claims = await asyncio.gather(
            *(process.runs.claim(model, "w", LONG) for _ in range(10) for process in (stores, others))
        )
        assert len({run.run_id for run in claims if run is not None}) == 20


class LeaseContract:
    async def test_a_renewed_lease_lives_on(self, stores: Stores, others: Stores, model: str) -> None:
        run = await claimed(stores, model, lease=SHORT)
        await stores.runs.renew(run, LONG)
        marker = await claimed(stores, model, worker="marker", lease=SHORT)
        assert (await claim_in_time(others, model)).run_id == marker.run_id

    async def test_a_lease_that_ran_out_cannot_be_renewed(self, stores: Stores, model: str) -> None:
        run = await claimed(stores, model, lease=0.0)
        with pytest.raises(LeaseLost) as lost:
            await stores.runs.renew(run, LONG)
        assert lost.value.facts == {"run_id": run.run_id, "fence": 1}

    async def test_a_lease_that_another_took_cannot_be_renewed(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        stale = await claimed(stores, model, lease=0.0)
        await claim(others, model, worker="w")
        with pytest.raises(LeaseLost):
            await stores.runs.renew(stale, LONG)

    async def test_a_released_run_is_taken_over_at_once(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        run = await claimed(stores, model)
        await stores.runs.release(run)
        assert (await claim(others, model)).fence == 2
        with pytest.raises(LeaseLost):
            await stores.runs.renew(run, LONG)

    async def test_a_run_that_is_given_back_has_not_spent_its_attempt(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        """A worker that was asked to end is no crash of the run."""
        begun = await stores.runs.begin(await claimed(stores, model))
        assert begun.attempts == 1
        await stores.runs.release(begun)
        assert (await claim(others, model)).attempts == 0

    async def test_releasing_what_another_holds_changes_nothing(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        stale = await claimed(stores, model, lease=0.0)
        held = await claim(others, model)
        await stores.runs.release(stale)
        await others.runs.renew(held, LONG)

    async def test_a_restarted_worker_gives_back_what_its_earlier_life_held(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        worker = f"host of {model}"
        for _ in range(3):
            await stores.runs.add(request(model))
        for _ in range(2):
            await claim(stores, model, worker=worker)
        foreign = await claim(stores, model, worker="another host")
        assert await others.runs.release_all(worker) == 2
        assert await others.runs.release_all(worker) == 0
        assert {(await claim(others, model)).fence for _ in range(2)} == {2}
        await stores.runs.renew(foreign, LONG)


class TestFakeRequests(OnFakes, RequestContract):
    """In memory."""


class TestPostgresRequests(OnPostgres, RequestContract):
    """On PostgreSQL."""


class TestFakeClaims(OnFakes, ClaimContract):
    """In memory."""


class TestPostgresClaims(OnPostgres, ClaimContract):
    """On PostgreSQL."""


class TestFakeLeases(OnFakes, LeaseContract):
    """In memory."""


class TestPostgresLeases(OnPostgres, LeaseContract):
    """On PostgreSQL."""
