"""A lifecycle through a pooler in session mode: locks, notifications, prepared statements."""

from domain.lifecycle import State
from service.cli.doctor import examine
from tests.e2e.deployment import Deployment, worker_here
from tests.harm.poolers import Mode, Pooler


async def test_a_model_is_trained_and_promoted_behind_a_pooler_in_session_mode(
    deployment: Deployment,
) -> None:
    async with Pooler(deployment.database_url, Mode.SESSION) as pooler:
        deployment.database_url = pooler.url
        async with worker_here(deployment):
            run = await deployment.carried({"model_version": 1})
            (promotion,) = await deployment.promotions(1)
            (postgres,) = [one for one in await examine(deployment.settings()) if one.what == "postgresql"]
    assert (run.state, promotion["run_id"]) == (State.COMPLETED, run.run_id)
    assert (postgres.ok, "sessions are kept" in postgres.found) == (True, True)
