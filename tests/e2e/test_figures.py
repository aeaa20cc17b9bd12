"""Every split strategy, feature rule and model type: figures as the straight implementation has them."""

import asyncio

import pytest
import yaml

from domain.lifecycle import State
from tests.e2e.conftest import Standing
from tests.e2e.straight_run import straight_run
from tests.mlflow_record import MlflowRecord

BOOSTERS = {
    5: {"type": "lightgbm", "params": {"n_estimators": 20, "random_state": 7}},
    6: {"type": "xgboost", "params": {"n_estimators": 20, "random_state": 7}},
}
# split, features, model: each strategy with every rule, each estimator, and nulls passed through.
TRIPLES = [(2, 1, 2), (3, 1, 3), (1, 1, 4), (2, 2, 5), (3, 1, 6)]


@pytest.fixture(scope="module", autouse=True)
def _boosters(standing: Standing) -> None:
    for version, model in BOOSTERS.items():
        path = standing.deployment.path(f"models/v{version}")
        path.write_text(yaml.safe_dump({"version": version, "model": model}), encoding="utf-8")


@pytest.mark.parametrize("triple", TRIPLES)
async def test_figures_are_those_of_the_straight_implementation(
    triple: tuple[int, int, int], standing: Standing, mlflow: MlflowRecord
) -> None:
    deployment, (split, features, model) = standing.deployment, triple
    asked = {"split_version": split, "feature_version": features, "model_version": model}
    run = await deployment.carried(asked)
    assert run.state in {State.COMPLETED, State.DECLINED}, run.failure
    names = f"splits/v{split}", f"features/v{features}", f"models/v{model}"
    expected = (await asyncio.to_thread(straight_run, deployment, *names)).metrics
    record = await mlflow.run(run.mlflow_run_id or "")
    assert {name: record.metrics[name] for name in expected} == pytest.approx(expected, rel=1e-9, abs=1e-12)
    scored = {name for name in record.metrics if name.endswith("_rmsle")}
    assert scored == {name for name in expected if name.endswith("_rmsle")}
