"""What a platform's own gateway, dashboard, evaluation and inference read, by nothing but their libraries.

Run as a program where none of our packages can be imported, with CONFIG_ROOT, DATA_ROOT, TRACKING_URI,
EXPERIMENT and MODEL. It fails at what they could not read, and prints what they read, as JSON.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import yaml

NAMES = ("split_version", "feature_version", "model_version")
PARAMS = {
    *NAMES,
    "reference_created",
    "dvc_master_hash",
    "dvc_split_hash",
    "dvc_reference_hash",
    "model_type",
}
COUNTS = {"master_rows", "train_rows", "reference_rows", "optional_test_count"}
DURATIONS = {"split_duration", "training_duration", "evaluation_duration"}


def main(
    config_root: Path, data_root: Path, tracking_uri: str, experiment: str, model: str
) -> dict[str, Any]:
    mlflow.set_tracking_uri(tracking_uri)
    client = mlflow.MlflowClient()
    active = yaml.safe_load((config_root / "active_config.yaml").read_text(encoding="utf-8"))
    assert isinstance(active["data_contract_version"], int)
    defaults = {name: active["training_defaults"][name] for name in NAMES}
    assert all(type(value) is int for value in defaults.values())
    runs = experiment_page(client, experiment)
    champion = client.get_model_version_by_alias(model, "prod")
    served = inference(client, config_root, data_root, champion.run_id)
    versions = client.search_model_versions(f"name = '{model}'")
    return {
        "defaults": defaults,
        "champion": {"version": champion.version, "run": champion.run_id, **served},
        "versions": {version.version: version.run_id for version in versions},
        "runs": runs,
        "splits": {path.name: parts(data_root, path) for path in sorted((data_root / "splits").iterdir())},
    }


def experiment_page(client: mlflow.MlflowClient, experiment: str) -> dict[str, Any]:
    """Every run of the experiment, as the dashboard lists them; a number that is none breaks its page."""
    found = client.get_experiment_by_name(experiment)
    told = {}
    for run in client.search_runs([found.experiment_id], max_results=1000):
        assert all(math.isfinite(value) for value in run.data.metrics.values()), run.data.metrics
        tags = {name: run.data.tags.get(name) for name in ("pipeline_status", "model_promoted")}
        told[run.info.run_id] = {"status": run.info.status, **tags}
        if tags["pipeline_status"] == "completed":
            completed(run)
    return told


def completed(run: Any) -> None:
    """A completed run carries every param and every figure under their names."""
    params, metrics = run.data.params, run.data.metrics
    assert params.keys() >= PARAMS, params
    assert all(params[name] == str(int(params[name])) for name in NAMES)
    assert params["reference_created"] in {"True", "False"}
    assert all(params[f"dvc_{name}_hash"].endswith(".dir") for name in ("split", "reference"))
    assert len(params["dvc_master_hash"]) == 32
    assert metrics.keys() >= COUNTS | DURATIONS, metrics
    tests = {name.removesuffix("_rows") for name in metrics if name.startswith("recent_") and "_rows" in name}
    assert len(tests) == metrics["optional_test_count"]
    scored = {name.rpartition("_")[0] for name in metrics if name.endswith(("_rmsle", "_mae", "_r2"))}
    assert scored <= {"train", "reference", *tests}
    assert run.data.tags["model_promoted"] in {"True", "False"}


def inference(client: mlflow.MlflowClient, config_root: Path, data_root: Path, run_id: str) -> dict[str, Any]:
    """Load the champion's model by its run, as evaluation does, and score the reference by their formula."""
    run = client.get_run(run_id)
    params = run.data.params
    features = yaml.safe_load(
        (config_root / f"features/v{params['feature_version']}.yaml").read_text("utf-8")
    )
    columns = list(features["tabular_features"])
    split = f"v{params['split_version']}"
    reference = pd.read_parquet(data_root / "reference/tests" / split / "test_reference.parquet")
    model = mlflow.pyfunc.load_model(f"runs:/{run_id}/model")
    said = np.asarray(model.predict(reference[columns]), dtype=float)
    one = float(model.predict(reference[columns].head(1))[0])
    truth = reference["cost"].to_numpy(dtype=float)
    rmsle = float(np.sqrt(np.mean((np.log1p(np.maximum(said, 0)) - np.log1p(np.maximum(truth, 0))) ** 2)))
    return {
        "feature_version": int(params["feature_version"]),
        "rmsle": rmsle,
        "logged": run.data.metrics["reference_rmsle"],
        "bulk": float(said[0]),
        "one row": one,
    }


def parts(data_root: Path, folder: Path) -> dict[str, int]:
    """The rows of each part of a split; every part has the master's columns, and no row of the reference."""
    columns = list(pd.read_parquet(data_root / "processed/master.parquet").columns)
    reference = pd.read_parquet(data_root / "reference/tests" / folder.name / "test_reference.parquet")
    files = {"train": folder / "train.parquet"} | {
        path.stem: path for path in sorted((folder / "optional_tests").glob("*.parquet"))
    }
    frames = {"reference": reference} | {name: pd.read_parquet(path) for name, path in files.items()}
    assert all(list(frame.columns) == columns for frame in frames.values())
    assert not set(frames["train"]["project_id"]) & set(reference["project_id"])
    return {name: len(frame) for name, frame in frames.items()}


if __name__ == "__main__":
    config, data, *names = sys.argv[1:]
    print(json.dumps(main(Path(config), Path(data), *names)))  # noqa: T201 - its answer
