"""What is promoted is served, and served as it was scored; what could not be served is never promoted.

One world for all of it: its master holds ids that no float tells apart, some of them null, and fractions in
32 bits, whose categories the target hangs on.
"""

import math
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from domain.lifecycle import State
from domain.run import Run
from service.lifecycle.root import Makers
from service.lifecycle.steps.jobs import TRAIN
from service.local.servers.ports import free_port
from service.local.servers.role import inference_replica
from tests.e2e.deployment import Deployment, worker_here
from tests.kit.mlflow_record import MlflowRecord

SPOILING = Makers(replaced_jobs={TRAIN.path: "tests.e2e.spoiling:train"})
FIRST_ID = 2**60
RATES = (0.1, 0.2, 0.7)
ONEHOT = {"type": "categorical", "encoding": "onehot"}
FEATURES = {
    "site": {**ONEHOT},
    "rate": {**ONEHOT},
    "share": {"type": "numeric"},
    "area": {"type": "numeric", "impute": "median", "scaler": "standard"},
}
NAMELESS = {"version": 8, "data_contract": 1, "tabular_features": {"area": {"type": "numeric"}, "": ONEHOT}}


@pytest.fixture
async def world(deployment: Deployment) -> AsyncIterator[Deployment]:
    """A worker that spoils forests, on a master whose columns are hard to carry."""
    _write_master(deployment.world.master)
    contract = deployment.config("data_contracts/v1")
    contract["columns"] |= {
        "site": {"type": "int", "min": 0},
        "rate": {"type": "float", "allowed_values": [*RATES]},
        "share": {"type": "float", "max": 0.1},
    }
    _write(deployment, "data_contracts/v1", contract)
    _write(deployment, "features/v9", {"version": 9, "data_contract": 1, "tabular_features": FEATURES})
    _write(deployment, "features/v8", NAMELESS)
    async with worker_here(deployment, makers=SPOILING):
        yield deployment


def _write(deployment: Deployment, name: str, document: Mapping[str, Any]) -> None:
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    deployment.path(name).write_text(text, encoding="utf-8")


def _write_master(path: Path) -> None:
    master = pq.read_table(path)
    places = np.arange(master.num_rows)
    sites, rates = places % 6, places % 3
    cost = 1000.0 + 300 * sites + 5000 * rates + np.random.default_rng(5).random(len(places))
    columns = {
        "site": pa.array([None if site == 5 else FIRST_ID + int(site) for site in sites], pa.int64()),
        "rate": pa.array([RATES[rate] for rate in rates], pa.float32()),
        "share": pa.array(np.where(places % 2, 0.1, 0.05), pa.float32()),
    }
    for name, column in columns.items():
        master = master.append_column(name, column)
    pq.write_table(master.set_column(master.schema.get_field_index("cost"), "cost", pa.array(cost)), path)


async def test_only_what_is_served_as_it_was_scored_is_promoted(
    world: Deployment, mlflow: MlflowRecord, tmp_path: Path
) -> None:
    first = await world.carried({"feature_version": 9})
    assert first.state is State.COMPLETED, first.failure
    rows, truth = _reference(first)
    recorded = (await mlflow.run(first.mlflow_run_id or "")).metrics
    assert recorded["reference_mae"] < 200  # each site and each rate is known for what it is
    port = free_port()
    with inference_replica(tmp_path / "replica", port, world.environment):
        for spelled in (rows, [{**row, **_as_people_spell(row)} for row in rows]):
            said = await _predictions(f"http://127.0.0.1:{port}", spelled)
            assert np.mean(np.abs(said - truth)) == pytest.approx(recorded["reference_mae"], rel=1e-9)

    spoiled = await world.carried({"feature_version": 9, "model_version": 3})
    assert (spoiled.state, spoiled.failure and spoiled.failure.reason) == (State.FAILED, "not_servable")
    assert spoiled.failure is not None
    assert (spoiled.failure.facts["column"], spoiled.failure.facts["row"]) == ("area", 1)
    assert len(await mlflow.versions_of(world.model)) == 1

    nameless = await world.carried({"feature_version": 8})
    assert nameless.state is State.REJECTED
    assert nameless.failure is not None
    assert "an empty name" in nameless.failure.message


def _reference(run: Run) -> tuple[list[dict[str, Any]], Any]:
    """The rows that scored the run, exactly as they are stored, and their costs."""
    table = pq.read_table(run.outputs["split"]["reference"]["path"], columns=[*FEATURES, "cost"])
    rows = [{name: _json(value) for name, value in row.items()} for row in table.to_pylist()]
    assert any(row["site"] is None for row in rows)
    return [{name: row[name] for name in FEATURES} for row in rows], np.array([row["cost"] for row in rows])


def _json(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _as_people_spell(row: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(str(np.float32(row[name]))) for name in ("rate", "share")}


async def _predictions(url: str, rows: Sequence[Mapping[str, Any]]) -> Any:
    """Asked for in a list, and the first few one by one."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        answers = (await client.post("/predict", json=rows)).raise_for_status().json()
        said = [answer["prediction"] for answer in answers]
        for row, together in zip(rows[:6], said[:6], strict=True):
            alone = (await client.post("/predict", json=row)).raise_for_status().json()["prediction"]
            assert alone == pytest.approx(together, rel=1e-9)
    return np.array(said)
