"""What Laurel logs loads by plain MLflow where libraries are older and Laurel is not installed."""

import hashlib
import json
import math
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from service.adapters.sklearn.loading import load_pipeline
from tests.others import bare_predictor
from tests.others.older_serving import older_python
from tests.worlds.small_models import Dataset, model_of, trained
from tests.worlds.synthetic import CONFIG_FILES, SyntheticWorld, write_world

VERSIONS = "from importlib.metadata import version as v; print(v('scikit-learn'), v('pandas'))"


def config(name: str) -> Any:
    return yaml.safe_load(CONFIG_FILES[f"{name}.yaml"])


def rows_of(world: SyntheticWorld, features: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows with nulls of every kind, and one in which every feature is null that may be."""
    table = pq.read_table(world.master, columns=list(features))
    rows = [{name: _json(value) for name, value in row.items()} for row in table.slice(0, 16).to_pylist()]
    given = {name: None if "impute" in spec else rows[0][name] for name, spec in features.items()}
    assert {value is None for row in rows for value in row.values()} == {True, False}
    return [*rows, given]


def _json(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def run(python: Path, *arguments: str, folder: Path) -> str:
    done = subprocess.run(  # noqa: S603 - ours
        [python, "-I", "-W", "ignore", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()[-1]


def test_scikit_learn_models_load_and_predict_the_same_with_older_libraries(tmp_path: Path) -> None:
    """Every rule of preprocessing before each of the four estimators; one row at a time, nulls included.

    What is compared is one fitted model in two environments, so trees are held to 1e-9 as the line is:
    their thresholds and leaves are stored. (A tree that is *fitted* with other libraries is another tree.)
    """
    python = older_python()
    scikit_learn, pandas = run(python, "-c", VERSIONS, folder=tmp_path).split()
    assert (scikit_learn[:4], pandas[:4]) == ("1.7.", "2.3.")
    world = write_world(tmp_path, rows=300)
    data = Dataset(world.master, hashlib.sha256(world.master.read_bytes()).hexdigest())
    features, contract = config("features/v1")["tabular_features"], config("data_contracts/v1")
    rows, jobs, expected = rows_of(world, features), [], {}
    for version in (1, 2, 3, 4):
        model = config(f"models/v{version}")
        answer = trained(tmp_path / f"run-{version}", data, model=model, features=features, contract=contract)
        folder, kind = Path(model_of(answer).folder), model["model"]["type"]
        pipeline = load_pipeline((folder / "model.skops").read_bytes(), kind)
        expected[kind] = [float(value) for value in pipeline.predict(pd.DataFrame(rows))]
        jobs.append({"model": str(folder), "rows": rows})
    assert set(expected) == {"ridge", "gradient_boosting", "random_forest", "hist_gradient_boosting"}
    (tmp_path / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    said = json.loads(run(python, bare_predictor.__file__, str(tmp_path / "jobs.json"), folder=tmp_path))
    for (kind, figures), answers in zip(expected.items(), said, strict=True):
        assert answers["one by one"] == pytest.approx(figures, rel=1e-9), kind
        assert answers["bulk"] == pytest.approx(figures, rel=1e-9), kind
