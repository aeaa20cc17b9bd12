"""The same training as one would write it by hand: one call after the other in one process.

It computes what Laurel computes and asks MLflow and DVC for the same: contract check, split, versioning with
a push, fit, both models' scores on the same reference, registration, alias, YAML. What it leaves out is what
Laurel is for: it survives no crash, writes no file atomically, and believes what it is told.

    python -m bench.bare FOLDER TRACKING_URI NAME [MODEL_VERSION]

With a version it trains once and ends; without, it stays and trains the version in each line of its input.
"""

import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import mlflow
import mlflow.sklearn
import numpy as np
import pandas as pd
import polars as pl
import polars.selectors as cs
import xxhash
import yaml
from dvc.repo import Repo
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder, StandardScaler

Numbers = np.ndarray[Any, np.dtype[np.float64]]

_TRUSTED: Final = [
    "numpy.clip",
    "numpy.dtype",
    "sklearn._loss.loss.HalfSquaredError",
    "sklearn._loss._loss.CyHalfSquaredError",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
]
_REQUIREMENTS: Final = [
    f"{name}=={version(name)}" for name in ("mlflow", "scikit-learn", "skops", "numpy", "pandas", "scipy")
]


@dataclass(frozen=True)
class Data:
    """The parts of a split."""

    master: pl.DataFrame
    train: pl.DataFrame
    reference: pl.DataFrame


class Training:
    """One warm process; `run` trains once."""

    def __init__(self, folder: Path, tracking_uri: str, name: str) -> None:
        self._config = folder / "config"
        self._data = folder / "data"
        self._name = name
        mlflow.set_tracking_uri(tracking_uri)
        mlflow.set_experiment(name)
        self._client = MlflowClient()
        self._repo = _repository(self._data)

    def run(self, model_version: int) -> bool:
        """Train; True when the candidate was promoted."""
        contract, split = self._read("data_contracts/v1"), self._read("splits/v1")
        features, model = self._read("features/v1"), self._read(f"models/v{model_version}")["model"]
        with mlflow.start_run() as run:
            data = self._split(contract, split)
            hashes = self._version()
            mlflow.log_params(
                {"split_version": 1, "feature_version": 1, "model_version": model_version, **hashes}
                | {"model_type": model["type"], **model["params"]}
            )
            mlflow.log_metrics({f"{part}_rows": frame.height for part, frame in vars(data).items()})
            pipeline, train_metrics = _fit(features, contract, model, data.train)
            logged = self._log_model(pipeline, features, data.train)
            candidate = _score(pipeline, data.reference, features, contract)
            champion = self._champion_score(data.reference, features, contract)
            mlflow.log_metrics(
                {f"train_{name}": value for name, value in train_metrics.items()}
                | {f"reference_{name}": value for name, value in candidate.items()}
            )
            better = champion is None or candidate["rmsle"] < champion["rmsle"]
            mlflow.set_tags({"pipeline_status": "completed", "model_promoted": str(better)})
            if better:
                self._promote(logged.model_uri, model_version)
        assert run.info.run_id
        return better

    def _read(self, name: str) -> dict[str, Any]:
        content: dict[str, Any] = yaml.safe_load((self._config / f"{name}.yaml").read_text())
        return content

    def _split(self, contract: dict[str, Any], split: dict[str, Any]) -> Data:
        master = pl.read_parquet(self._data / "processed" / "master.parquet")
        _check(master, contract)
        threshold = int(split["test_fraction"] * 2**64)
        keys = master.select(_netstrings(split)).to_series().to_list()
        is_test = pl.Series([xxhash.xxh64_intdigest(key) < threshold for key in keys])
        train = master.filter(~is_test)
        reference_path = self._data / "reference" / "tests" / "v1" / "test_reference.parquet"
        if not reference_path.exists():
            reference_path.parent.mkdir(parents=True)
            master.filter(is_test).write_parquet(reference_path, compression_level=1)
        reference = pl.read_parquet(reference_path)
        if not train.join(reference, on=contract["primary_key"], how="semi").is_empty():
            raise ValueError("a row stands in train and in the reference")
        train_path = self._data / "splits" / "v1" / "train.parquet"
        train_path.parent.mkdir(parents=True, exist_ok=True)
        train.write_parquet(train_path, compression_level=1)
        return Data(master, train, reference)

    def _version(self) -> dict[str, str]:
        targets = ["processed/master.parquet", "splits/v1", "reference/tests/v1"]
        stages = self._repo.add([str(self._data / target) for target in targets])
        self._repo.push()
        names = ["dvc_master_hash", "dvc_split_hash", "dvc_reference_hash"]
        return {name: stage.outs[0].hash_info.value for name, stage in zip(names, stages, strict=True)}

    def _log_model(self, pipeline: Pipeline, features: dict[str, Any], train: pl.DataFrame) -> Any:
        example = _frame(train.head(100), features)
        return mlflow.sklearn.log_model(
            pipeline,
            name="model",
            serialization_format="skops",
            skops_trusted_types=_TRUSTED,
            signature=infer_signature(example, pipeline.predict(example)),
            pip_requirements=_REQUIREMENTS,
        )

    def _champion_score(
        self, reference: pl.DataFrame, features: dict[str, Any], contract: dict[str, Any]
    ) -> dict[str, float] | None:
        try:
            self._client.get_model_version_by_alias(self._name, "prod")
        except MlflowException:
            return None
        champion = mlflow.sklearn.load_model(f"models:/{self._name}@prod")
        return _score(champion, reference, features, contract)

    def _promote(self, model_uri: str, model_version: int) -> None:
        registered = mlflow.register_model(model_uri, self._name)
        self._client.set_registered_model_alias(self._name, "prod", registered.version)
        path = self._config / "active_config.yaml"
        active = yaml.safe_load(path.read_text())
        active["training_defaults"]["model_version"] = model_version
        path.write_text(yaml.safe_dump(active, sort_keys=False))


def _repository(data: Path) -> Repo:
    if not (data / ".dvc").exists():
        repo = Repo.init(str(data), no_scm=True)
        with repo.config.edit() as config:
            config["core"]["remote"] = "local"
            config["core"]["analytics"] = False
            config["remote"]["local"] = {"url": str(data.parent / "dvc-remote")}
    return Repo(str(data))


def _check(master: pl.DataFrame, contract: dict[str, Any]) -> None:
    """Count every broken rule in one pass."""
    broken: dict[str, pl.Expr] = {}
    for name, rule in contract["columns"].items():
        column = pl.col(name)
        if rule.get("non_nullable"):
            broken[f"{name}: null"] = column.is_null().sum()
        if "min" in rule:
            broken[f"{name}: min"] = (column < rule["min"]).sum()
        if "max" in rule:
            broken[f"{name}: max"] = (column > rule["max"]).sum()
        if "allowed_values" in rule:
            broken[f"{name}: allowed"] = (~column.is_in(rule["allowed_values"])).sum()
        if "format" in rule:
            broken[f"{name}: format"] = (~column.str.contains(f"^(?:{rule['format']})$")).sum()
    broken["key"] = pl.len() - pl.struct(contract["primary_key"]).n_unique()
    counts = master.select(**broken).row(0, named=True)
    if found := {name: count for name, count in counts.items() if count}:
        raise ValueError(f"the master breaks its contract: {found}")


def _netstrings(split: dict[str, Any]) -> pl.Expr:
    pieces = [pl.lit(f"{len(split['salt'])}:{split['salt']},")]
    for name in split["key_columns"]:
        text = pl.col(name).cast(pl.String)
        pieces += [text.str.len_bytes().cast(pl.String), pl.lit(":"), text, pl.lit(",")]
    return pl.concat_str(pieces).cast(pl.Binary)


def _frame(part: pl.DataFrame, features: dict[str, Any]) -> pd.DataFrame:
    columns = part.select(*features["tabular_features"])
    return columns.with_columns(cs.integer().cast(pl.Float64)).to_pandas()


def _preprocessing(features: dict[str, Any]) -> ColumnTransformer:
    steps = [(name, _column(spec), [name]) for name, spec in features["tabular_features"].items()]
    return ColumnTransformer(steps)


def _column(spec: dict[str, Any]) -> Any:
    steps: list[tuple[str, Any]] = []
    if "impute" in spec:
        steps.append(("impute", SimpleImputer(strategy=spec["impute"])))
    if "clip" in spec:
        bounds = {"a_min": spec["clip"][0], "a_max": spec["clip"][1]}
        steps.append(("clip", FunctionTransformer(np.clip, kw_args=bounds)))
    if "scaler" in spec:
        steps.append(("scale", StandardScaler()))
    if "encoding" in spec:
        steps.append(("encode", OrdinalEncoder(categories=[spec["order"]])))
    return Pipeline(steps) if steps else "passthrough"


def _fit(
    features: dict[str, Any], contract: dict[str, Any], model: dict[str, Any], train: pl.DataFrame
) -> tuple[Pipeline, dict[str, float]]:
    estimator = HistGradientBoostingRegressor(**model["params"])
    pipeline = Pipeline([("preprocessing", _preprocessing(features)), ("model", estimator)])
    pipeline.fit(_frame(train, features), train[contract["target"]].to_numpy())
    return pipeline, _score(pipeline, train, features, contract)


def _score(
    model: Any, part: pl.DataFrame, features: dict[str, Any], contract: dict[str, Any]
) -> dict[str, float]:
    truth = part[contract["target"]].to_numpy().astype(np.float64)
    predictions: Numbers = np.asarray(model.predict(_frame(part, features)))
    logs = np.log1p(np.maximum(predictions, 0)) - np.log1p(np.maximum(truth, 0))
    return {
        "rmsle": float(np.sqrt(np.mean(logs**2))),
        "mae": float(mean_absolute_error(truth, predictions)),
        "r2": float(r2_score(truth, predictions)),
    }


def main() -> None:
    """Train once, or once per line of input; answer each with a line: seconds, and promoted or not."""
    folder, tracking_uri, name, *once = sys.argv[1:]
    training = Training(Path(folder), tracking_uri, name)
    for line in once or sys.stdin:
        began = time.monotonic()
        better = training.run(int(line))
        sys.stdout.write(f"{time.monotonic() - began:.6f} {better}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
