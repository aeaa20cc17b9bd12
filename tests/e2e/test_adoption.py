"""After `laurel adopt` a worker gates against the champion that was there, and holds to what was recorded.

Its cost: a foreign model's own training, and five lifecycles against it.
"""

import asyncio
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from domain.lifecycle import State
from service.adapters.postgres.schema import upgrade
from tests.e2e.deployment import Deployment, worker_here
from tests.kit.mlflow_record import MlflowRecord
from tests.worlds import warm
from tests.worlds.foreign_models import log_foreign, register_foreign


@pytest.fixture
def deployment(small: Deployment) -> Deployment:
    """Two features are enough."""
    return small


async def laurel(deployment: Deployment, *arguments: str) -> str:
    """Run a command to a good end."""
    code, said, complaints = await warm.laurel(*arguments, **deployment.environment)
    assert code == 0, complaints
    return said


def their_reference(deployment: Deployment) -> Path:
    """The reference of split 1 as it was frozen before Laurel: fewer columns, in another order of rows."""
    rules, master = deployment.config("splits/v1"), pq.read_table(deployment.world.master).to_pandas()
    period = rules["reference_test_period"]
    mine = master["locality"].isin(rules["test_localities"])
    rows = master[mine & master["year"].between(period["min"], period["max"])]
    path = deployment.world.data_root / "reference/tests/v1/test_reference.parquet"
    path.parent.mkdir(parents=True)
    rows[::-1].to_parquet(path)
    return path


def their_champion(deployment: Deployment) -> None:
    """A weak model of two of the features, which only a pickle takes along."""
    rows = pq.read_table(deployment.world.master, columns=["age", "slope", "cost"]).to_pandas()
    uri = deployment.tracking_uri
    model = log_foreign(uri, f"{deployment.model}-theirs", rows[["age", "slope"]], rows["cost"], name="pipe")
    assert register_foreign(uri, deployment.model, model) == 1


def alias(deployment: Deployment, version: str) -> dict[str, str]:
    return {"name": deployment.model, "alias": "prod", "version": version}


async def out_of_reach(deployment: Deployment, mlflow: MlflowRecord) -> None:
    """A person points the alias at a version in a store that this worker has no client for."""
    run_id = (await mlflow.versions_of(deployment.model))[0]["run_id"]
    body = {"name": deployment.model, "source": "s3://elsewhere/model", "run_id": run_id}
    made = (await mlflow.post("model-versions/create", body))["model_version"]
    await mlflow.post("registered-models/alias", alias(deployment, made["version"]))


async def test_the_gate_judges_the_adopted_champion_on_the_adopted_reference(
    deployment: Deployment, mlflow: MlflowRecord
) -> None:
    """P10. Loading it runs its code: without leave every verdict is INCONCLUSIVE."""
    reference = their_reference(deployment)
    content = reference.read_bytes()
    await asyncio.to_thread(their_champion, deployment)
    await asyncio.to_thread(upgrade, deployment.settings().sqlalchemy_url)
    assert "champion: recorded now: version 1 as generation 1" in await laurel(deployment, "adopt")
    asked = {"split_version": 1, "feature_version": 1, "model_version": 1}
    async with worker_here(deployment):
        undecided = await deployment.carried(asked)
        assert (undecided.state, undecided.outputs["decide"]["verdict"]["decision"]) == (
            State.DECLINED,
            "INCONCLUSIVE",
        )
        reasons = " ".join(undecided.outputs["decide"]["verdict"]["reasons"])
        assert "ALLOW_FOREIGN_CHAMPION=true" in reasons
        model = deployment.path("models/v2")
        model.write_bytes(model.read_bytes() + b"# a word more\n")
        edited = await deployment.carried({**asked, "model_version": 2})
        assert (edited.state, edited.failure and edited.failure.reason) == (State.REJECTED, "config_changed")
        pq.write_table(pq.read_table(reference).slice(1), reference)
        other = await deployment.carried(asked)
        assert (other.state, other.failure and other.failure.reason) == (
            State.FAILED,
            "reference_digest_mismatch",
        )
        reference.write_bytes(content)
    async with worker_here(deployment, ALLOW_FOREIGN_CHAMPION="true"):
        await out_of_reach(deployment, mlflow)
        unreached = await deployment.carried(asked)
        verdict = unreached.outputs["decide"]["verdict"]
        assert (unreached.state, verdict["decision"]) == (State.DECLINED, "INCONCLUSIVE")
        assert "the alias names version 2, which cannot be used" in verdict["reasons"][0]
        assert "point the alias at a complete version" in verdict["reasons"][0]
        await mlflow.post("registered-models/alias", alias(deployment, "1"))
        decided = await deployment.carried(asked)
    champion = decided.outputs["decide"]["champion"]
    assert (champion["version"], champion["score"]["dataset_digest"]) == (
        1,
        decided.outputs["split"]["reference"]["sha256"],
    )
    assert decided.state is State.COMPLETED
    assert (reference.read_bytes(), decided.outputs["split"]["reference_created"]) == (content, False)
    promotions = await deployment.promotions(2)
    assert [(said["cause"], said["version"]) for said in promotions] == [("adopted", 1), ("gate", 3)]
    assert len(await mlflow.versions_of(deployment.model)) == 3
