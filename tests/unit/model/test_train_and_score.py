"""A training leaves a whole package of what the definition says, and a score is of the very bytes."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml

from domain.datasets import seal
from domain.errors import ModelUnusable, NeverRetry
from domain.metrics import Score
from domain.model_types import MODEL_TYPES
from domain.models import ModelPackage
from service.adapters.pyarrow.datasets import read_predictions
from service.lifecycle.steps.evaluate_job import compare
from service.lifecycle.steps.jobs import CompareJob, ModelOnDisk
from service.models.memory import MEMORY
from service.models.verify import verify
from tests.straight import straight_model
from tests.worlds.small_models import (
    FEATURES,
    MODELS,
    Dataset,
    dataset,
    definition,
    model_of,
    scored,
    table,
    trained,
)
from tests.worlds.synthetic import master_table, write_world

SEED = 11


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return dataset(tmp_path / "train.parquet", table())


@pytest.fixture
def reference(tmp_path: Path) -> Dataset:
    return dataset(tmp_path / "reference.parquet", table(rows=50, seed=4))


def plain(data: Dataset, columns: list[str]) -> pd.DataFrame:
    """The rows as Python values, for the straight implementation."""
    rows = pq.read_table(data.path).select(columns).to_pylist()
    return pd.DataFrame(rows, columns=columns, dtype="object")


def expected_of(
    train: Dataset, other: Dataset, model: Mapping[str, Any], features: Mapping[str, Any], target: str
) -> np.ndarray[Any, np.dtype[np.float64]]:
    columns = [*features, target]
    seen, rows = plain(train, columns), plain(other, columns)
    truth = [float(value) for value in seen[target]]
    return straight_model.predicted(seen, truth, rows, features, model, SEED)


@pytest.mark.parametrize("transform", [None, "log1p"])
@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_scores_and_predictions_are_those_of_a_straight_implementation(
    kind: str, transform: str | None, data: Dataset, reference: Dataset, tmp_path: Path
) -> None:
    model = {"type": kind, "params": {**MODELS[kind]}, "target_transform": transform}
    answer = trained(tmp_path / "run", data, model={"version": 1, "model": model}, seed=SEED)
    result = scored(answer, reference, predictions_folder=str(tmp_path))
    expected = expected_of(data, reference, model, FEATURES, "price")
    truth, predictions, _ = read_predictions(Path(result["predictions"]["reference"]))
    np.testing.assert_allclose(predictions, expected, rtol=1e-9)
    own = straight_model.scores(list(truth), list(expected))
    assert result["scores"]["reference"]["metrics"] == pytest.approx(own, rel=1e-9)


@pytest.mark.parametrize("model_version", [1, 2, 3, 4])
def test_the_synthetic_world_is_learned_as_the_formats_say(model_version: int, tmp_path: Path) -> None:
    world = write_world(tmp_path, rows=300)
    names = ("data_contracts/v1", "features/v1", f"models/v{model_version}")
    contract, features, model = (
        yaml.safe_load((world.config_root / f"{name}.yaml").read_text(encoding="utf-8")) for name in names
    )
    train = dataset(tmp_path / "train.parquet", master_table(rows=300, seed=7))
    other = dataset(tmp_path / "other.parquet", master_table(rows=120, seed=8))
    columns = features["tabular_features"]
    answer = trained(tmp_path / "run", train, model=model, features=columns, contract=contract, seed=SEED)
    result = scored(answer, other, target="cost", predictions_folder=str(tmp_path))
    _, predictions, _ = read_predictions(Path(result["predictions"]["reference"]))
    expected = expected_of(train, other, model["model"], columns, "cost")
    np.testing.assert_allclose(predictions, expected, rtol=1e-9)


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_the_same_run_twice_predicts_the_same_bit_for_bit(
    kind: str, data: Dataset, reference: Dataset, tmp_path: Path
) -> None:
    answers = [trained(tmp_path / name, data, model=definition(kind)) for name in ("one", "two")]
    first, second = (
        scored(answer, reference, predictions_folder=str(tmp_path / f"{place}"))["predictions"]["reference"]
        for place, answer in enumerate(answers)
    )
    assert read_predictions(Path(first))[1].tobytes() == read_predictions(Path(second))[1].tobytes()


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_a_package_that_is_loaded_again_predicts_bit_for_bit_what_it_did(
    kind: str, data: Dataset, reference: Dataset, tmp_path: Path
) -> None:
    answer = trained(tmp_path / "run", data, model=definition(kind, target_transform="log1p"))
    held = scored(answer, reference, predictions_folder=str(tmp_path / "held"))
    MEMORY.forget(answer["package"]["digest"])
    loaded = scored(answer, reference, predictions_folder=str(tmp_path / "loaded"))
    assert (held["from_memory"], loaded["from_memory"]) == (True, False)
    one, two = (read_predictions(Path(result["predictions"]["reference"])) for result in (held, loaded))
    assert one[1].tobytes() == two[1].tobytes()
    assert verify(model_of(answer)).golden_rows == 5


def test_the_answers_are_the_domains_values_and_plain_json(
    data: Dataset, reference: Dataset, tmp_path: Path
) -> None:
    answer = trained(tmp_path / "run", data)
    package = ModelPackage.model_validate(json.loads(json.dumps(answer, allow_nan=False))["package"])
    assert package.digest == seal(package.manifest)
    assert package.train_score.dataset_digest == data.sha256
    result = json.loads(json.dumps(scored(answer, reference), allow_nan=False))
    assert Score.model_validate(result["scores"]["reference"]).rows == 50


def test_training_again_replaces_the_package_and_leaves_nothing_beside_it(
    data: Dataset, tmp_path: Path
) -> None:
    first = trained(tmp_path / "run", data)
    second = trained(tmp_path / "run", data, model=definition("random_forest"))
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["model"]
    assert verify(model_of(second)).golden_rows == 5
    with pytest.raises(ModelUnusable):
        verify(model_of(first))


def test_a_metric_without_a_number_is_named_and_absent(data: Dataset, tmp_path: Path) -> None:
    """R² of one row is NaN: whoever stores or compares metrics must never see it."""
    answer = trained(tmp_path / "run", data)
    result = scored(answer, dataset(tmp_path / "one.parquet", table().slice(5, 1)))
    assert set(result["scores"]["reference"]["metrics"]) == {"rmsle", "mae"}
    assert result["not_finite"] == {"reference": ["r2"]}


def test_predictions_that_are_not_finite_leave_no_metric(data: Dataset, tmp_path: Path) -> None:
    features = {"size": {"type": "numeric", "impute": "mean"}}
    model = definition("ridge", target_transform="log1p")
    answer = trained(tmp_path / "run", data, model=model, features=features)
    rows = table()
    huge = rows.set_column(rows.column_names.index("size"), "size", pc.multiply(rows["size"], 1e6))
    result = scored(answer, dataset(tmp_path / "huge.parquet", huge))
    assert result["scores"]["reference"]["metrics"] == {}
    assert result["not_finite"] == {"reference": ["mae", "r2", "rmsle"]}


def test_one_row_is_enough_to_train(tmp_path: Path) -> None:
    one = dataset(tmp_path / "train.parquet", table().slice(4, 1))
    answer = trained(tmp_path / "run", one)
    assert answer["not_finite"] == ["r2"]


def test_the_order_of_columns_survives_a_store_that_keeps_pairs(data: Dataset, tmp_path: Path) -> None:
    backwards = dict(reversed(list(FEATURES.items())))
    answer = trained(tmp_path / "run", data, features=backwards)
    assert answer["columns"] == ["grade", "kind", "floors", "size"]


def test_a_model_for_another_target_is_refused(data: Dataset, reference: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable) as refusal:
        scored(trained(tmp_path / "run", data), reference, target="size")
    assert refusal.value.reason == "other_target"


@pytest.mark.parametrize("damage", ["changed", "truncated", "missing", "linked"])
def test_a_reference_that_is_not_the_one_recorded_is_refused(
    damage: str, data: Dataset, reference: Dataset, tmp_path: Path
) -> None:
    answer = trained(tmp_path / "run", data)
    whole = reference.path.read_bytes()
    match damage:
        case "changed":
            reference.path.write_bytes(whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:])
        case "truncated":
            reference.path.write_bytes(whole[:-1])
        case "missing":
            reference.path.unlink()
        case "linked":
            reference.path.rename(tmp_path / "elsewhere.parquet")
            reference.path.symlink_to(tmp_path / "elsewhere.parquet")
    with pytest.raises(NeverRetry) as refusal:
        scored(answer, reference)
    assert refusal.value.reason == "reference_digest_mismatch"


def test_a_train_part_that_is_not_the_one_recorded_is_refused(data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(NeverRetry) as refusal:
        trained(tmp_path / "run", Dataset(data.path, "0" * 64))
    assert refusal.value.reason == "dataset_digest_mismatch"
    assert not (tmp_path / "run" / "model").exists()


def test_bytes_that_are_no_parquet_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    data = dataset(path, table())
    path.write_bytes(b"PAR1" + b"\0" * 64 + b"PAR1")
    broken = Dataset(path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert broken.sha256 != data.sha256
    with pytest.raises(NeverRetry) as refusal:
        trained(tmp_path / "run", broken)
    assert refusal.value.reason == "unreadable_dataset"


def replaced(name: str, values: pa.Array) -> pa.Table:
    rows = table()
    return rows.set_column(rows.column_names.index(name), name, values)


BAD_TABLES: Mapping[str, tuple[pa.Table, Mapping[str, str]]] = {
    "no rows": (table().slice(0, 0), {"rows": "no_rows"}),
    "two columns missing": (
        table().drop(["size", "kind"]),
        {"size": "column_missing", "kind": "column_missing"},
    ),
    "target missing": (table().drop(["price"]), {"price": "column_missing"}),
    "target null": (
        replaced("price", pa.array([None, *range(119)], pa.float64())),
        {"price": "target_not_finite"},
    ),
    "target infinite": (
        replaced("price", pa.array([float("inf"), *range(119)], pa.float64())),
        {"price": "target_not_finite"},
    ),
    "target text": (replaced("price", pa.array(["1"] * 120)), {"price": "column_type"}),
    "number as text": (replaced("size", pa.array(["1"] * 120)), {"size": "column_type"}),
    "number as truth value": (replaced("floors", pa.array([True] * 120)), {"floors": "column_type"}),
    "text as number": (replaced("kind", pa.array([1] * 120)), {"kind": "column_type"}),
    "infinite": (
        replaced("size", pa.array([float("-inf"), *range(119)], pa.float64())),
        {"size": "column_infinite"},
    ),
    "nothing but nulls": (replaced("kind", pa.nulls(120)), {"kind": "column_empty"}),
    "null without imputation": (
        replaced("grade", pa.array([None] + ["low"] * 119)),
        {"grade": "column_null"},
    ),
    "value outside of the order": (
        replaced("grade", pa.array(["lowest"] + ["low"] * 119)),
        {"grade": "unknown_category"},
    ),
    "column twice": (table().append_column("size", pa.array([1.0] * 120)), {"size": "column_missing"}),
}


@pytest.mark.parametrize(("rows", "faults"), BAD_TABLES.values(), ids=BAD_TABLES.keys())
def test_rows_that_cannot_be_learned_from_are_refused_with_every_fault(
    rows: pa.Table, faults: Mapping[str, str], tmp_path: Path
) -> None:
    with pytest.raises(NeverRetry) as refusal:
        trained(tmp_path / "run", dataset(tmp_path / "train.parquet", rows))
    assert refusal.value.reason == "frame_invalid"
    assert {fault["field"]: fault["code"] for fault in refusal.value.facts["faults"]} == faults


def test_a_column_of_nulls_is_learned_from_when_a_constant_fills_it(tmp_path: Path) -> None:
    rows = replaced("floors", pa.nulls(120))
    trained(tmp_path / "run", dataset(tmp_path / "train.parquet", rows))


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_a_null_that_is_not_imputed_is_refused_where_the_estimator_takes_none(
    kind: str, data: Dataset, tmp_path: Path
) -> None:
    features = {"size": {"type": "numeric"}}
    if kind not in ("ridge", "gradient_boosting"):
        trained(tmp_path / "run", data, model=definition(kind), features=features)
        return
    with pytest.raises(NeverRetry, match="is not imputed") as refusal:
        trained(tmp_path / "run", data, model=definition(kind), features=features)
    assert refusal.value.reason == "frame_invalid"


def test_a_logarithm_needs_a_target_above_minus_one(tmp_path: Path) -> None:
    rows = dataset(tmp_path / "train.parquet", replaced("price", pa.array([-1.0, *range(119)], pa.float64())))
    with pytest.raises(NeverRetry, match="above -1"):
        trained(tmp_path / "run", rows, model=definition("ridge", target_transform="log1p"))


def test_an_unknown_category_in_the_reference_is_named(data: Dataset, tmp_path: Path) -> None:
    features = {"kind": {"type": "categorical", "impute": "most_frequent", "encoding": "binary"}}
    answer = trained(tmp_path / "run", data, features=features)
    rows = dataset(tmp_path / "other.parquet", replaced("kind", pa.array(["castle"] * 120)))
    with pytest.raises(ModelUnusable, match=r"'kind'.*castle") as refusal:
        scored(answer, rows)
    assert refusal.value.reason == "cannot_predict"


def test_a_fit_that_the_estimator_refuses_is_a_failed_fit(data: Dataset, tmp_path: Path) -> None:
    model = definition("hist_gradient_boosting")
    model["model"]["params"] = {"monotonic_cst": [1]}
    with pytest.raises(NeverRetry) as refusal:
        trained(tmp_path / "run", data, model=model)
    assert refusal.value.reason == "fit_failed"


def _compared(one: Mapping[str, Any], other: Mapping[str, Any], data: Dataset) -> bool:
    candidate, champion = (
        ModelOnDisk(folder=package["folder"], manifest=package["manifest"])
        for package in (one["package"], other["package"])
    )
    job = CompareJob(candidate=candidate, champion=champion, reference=data.file, target="price")
    return compare(job)


def test_two_fits_of_one_definition_are_the_same_model_and_another_definition_is_not(
    data: Dataset, reference: Dataset, tmp_path: Path
) -> None:
    """By every prediction, so that a difference in one row in a thousand is one."""
    one, again = (trained(tmp_path / name, data, model=definition("ridge")) for name in ("one", "again"))
    other = trained(
        tmp_path / "other",
        data,
        model=definition("ridge") | {"model": {"type": "ridge", "params": {"alpha": 1.5}}},
    )
    assert _compared(one, again, reference)
    assert not _compared(one, other, reference)
    MEMORY.forget(one["package"]["digest"])
    assert _compared(one, again, reference)
