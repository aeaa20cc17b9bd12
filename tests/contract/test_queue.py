"""What every store promises to those who watch how long a queue is."""

from domain.lifecycle import Outcome
from domain.ports.workers import Waiting
from tests.contract.stores import LONG, MLFLOW_AWAY, OnFakes, OnPostgres, Stores, claimed, request
from tests.kit.eventually import eventually

NOTHING = Waiting()


class QueueContract:
    async def test_a_model_that_nobody_asked_for_has_an_empty_queue(self, stores: Stores, model: str) -> None:
        await stores.runs.add(request(model + "-another"))
        assert await stores.workers.waiting(model) == NOTHING

    async def test_a_request_waits_for_a_worker_until_one_holds_it_and_counts_until_it_ends(
        self, stores: Stores, model: str
    ) -> None:
        await stores.runs.add(request(model))

        async def has_aged() -> bool:
            return (await stores.workers.waiting(model)).oldest_unclaimed_seconds > 0

        await eventually(has_aged)
        length = await stores.workers.waiting(model)
        assert (length.unfinished, length.unclaimed) == (1, 1)
        assert 0 < length.oldest_unclaimed_seconds <= length.oldest_seconds < LONG

        run = await stores.runs.claim(model, "one", LONG)
        assert run is not None
        held = await stores.workers.waiting(model)
        assert (held.unfinished, held.unclaimed, held.oldest_unclaimed_seconds) == (1, 0, 0)
        assert held.oldest_seconds > 0

        await stores.runs.advance(run, Outcome.REFUSED)
        assert await stores.workers.waiting(model) == NOTHING

    async def test_a_run_that_is_put_off_waits_for_no_worker(self, stores: Stores, model: str) -> None:
        run = await stores.runs.begin(await claimed(stores, model))
        await stores.runs.postpone(run, LONG, MLFLOW_AWAY, waiting_on="mlflow")
        length = await stores.workers.waiting(model)
        assert (length.unfinished, length.unclaimed) == (1, 0)


class TestFakeQueue(OnFakes, QueueContract):
    pass


class TestPostgresQueue(OnPostgres, QueueContract):
    pass
