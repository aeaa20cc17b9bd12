"""A lifecycle through a pooler in session mode: locks, notifications, prepared statements."""

from domain.lifecycle import State
from service.cli.doctor import examine
from tests.e2e.deployment import Deployment, worker_here
from tests.harm.poolers import Mode, Pooler


async def test_a_model_is_trained_and_promoted_behind_a_pooler_in_session_mode(small: Deployment) -> None:
    async with Pooler(small.database_url, Mode.SESSION) as pooler:
        small.database_url = pooler.url
        async with worker_here(small):
            run = await small.carried({"model_version": 101})
            (promotion,) = await small.promotions(1)
            (postgres,) = [one for one in await examine(small.settings()) if one.what == "postgresql"]
    assert (run.state, promotion["run_id"]) == (State.COMPLETED, run.run_id)
    assert (postgres.ok, "sessions are kept" in postgres.found) == (True, True)
