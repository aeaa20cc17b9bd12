"""The package is an MLflow model that loads anywhere, and that nothing is loaded from but what it must be."""

import errno
import json
import os
import pickle
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from itertools import cycle
from operator import methodcaller
from pathlib import Path
from typing import Any

import mlflow.models.model
import numpy as np
import pandas as pd
import pytest
import sklearn
import skops.io
import yaml
from mlflow.models.signature import ModelSignature
from mlflow.types.schema import AnyType, ColSpec, Schema
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from domain.errors import ModelUnusable, TryLater
from domain.model_types import MODEL_TYPES, Estimator
from domain.models import PackageFiles
from service.adapters.files.atomic import publish_folder
from service.adapters.files.operations import FileOperations
from service.adapters.mlflow.package_format import package_digest
from service.adapters.pyarrow.datasets import read_predictions
from service.adapters.sklearn.loading import listed_types, load_pipeline, skops_bytes, trusted_types
from service.models.verify import verify
from tests.others import bare_predictor
from tests.worlds.small_models import (
    FEATURES,
    Dataset,
    dataset,
    definition,
    files_of,
    model_of,
    scored,
    table,
    trained,
)

NULLABLE = {**FEATURES, "grade": {"type": "categorical", "encoding": "onehot", "impute": "constant"}}
INTEGERS = {"size": 55, "floors": 3, "kind": "flat", "grade": "mid"}


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return dataset(tmp_path / "train.parquet", table())


@pytest.fixture
def answer(data: Dataset, tmp_path: Path) -> dict[str, Any]:
    return trained(tmp_path / "run", data)


def test_every_model_type_loads_by_mlflow_alone_and_predicts_the_raw_target(
    data: Dataset, tmp_path: Path
) -> None:
    """In bulk and in one-row frames, whole numbers where fractions were, nulls of both kinds."""
    kinds = zip(MODEL_TYPES, cycle((None, "log1p")), strict=False)
    answers = [
        trained(
            tmp_path / f"{kind}-{transform}",
            data,
            model=definition(kind, target_transform=transform),
            features=NULLABLE,
        )
        for kind, transform in kinds
    ]
    rows = [*table(rows=7, seed=9).select(list(NULLABLE)).to_pylist(), INTEGERS]
    jobs = [
        {"model": model_of(answer).folder, "rows": rows, "nulls": dict.fromkeys(NULLABLE)}
        for answer in answers
    ]
    (tmp_path / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    server = [sys.executable, "-I", bare_predictor.__file__, str(tmp_path / "jobs.json")]
    run = subprocess.run(server, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603
    assert run.returncode == 0, run.stderr
    for answer, said in zip(answers, json.loads(run.stdout.splitlines()[-1]), strict=True):
        folder = Path(model_of(answer).folder)
        kind = Estimator.model_validate_json((folder / "laurel/model_definition.json").read_bytes()).type
        pipeline = load_pipeline((folder / "model.skops").read_bytes(), kind)
        assert said["bulk"] == [float(value) for value in pipeline.predict(pd.DataFrame(rows))]
        assert said["one by one"] == pytest.approx(said["bulk"], rel=1e-9)
        assert said["nulls"][0] == said["nulls"][1]


def test_the_package_says_what_it_is_in_mlflows_own_words(answer: dict[str, Any]) -> None:
    folder = model_of(answer).folder
    model = mlflow.models.model.Model.load(folder)
    assert model.get_input_schema().input_names() == list(FEATURES)
    assert model.flavors["sklearn"]["serialization_format"] == "skops"
    assert model.flavors["sklearn"]["skops_trusted_types"] == list(listed_types("ridge"))
    assert model.metadata["feature_version"] == 1
    requirements = Path(folder, "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert {line.partition("==")[0] for line in requirements} >= {"mlflow", "scikit-learn", "skops", "pandas"}
    assert all("==" in line for line in requirements)


def test_the_package_is_described_as_mlflow_would_describe_it(answer: dict[str, Any]) -> None:
    folder = Path(model_of(answer).folder)
    ours = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    theirs = mlflow.models.model.Model(
        signature=ModelSignature(
            Schema([ColSpec(AnyType(), name) for name in FEATURES]), Schema([ColSpec("double")])
        ),
        metadata=ours["metadata"],
        model_size_bytes=(folder / "model.skops").stat().st_size,
    )
    theirs.add_flavor(
        "python_function",
        env={"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
        loader_module="mlflow.sklearn",
        model_path="model.skops",
        predict_fn="predict",
        python_version=platform.python_version(),
    )
    theirs.add_flavor(
        "sklearn",
        code=None,
        pickled_model="model.skops",
        serialization_format="skops",
        sklearn_version=sklearn.__version__,
        skops_trusted_types=list(listed_types("ridge")),
    )
    own = {"model_uuid": theirs.model_uuid, "utc_time_created": theirs.utc_time_created}
    assert ours | own == yaml.safe_load(theirs.to_yaml())
    assert datetime.fromisoformat(ours["utc_time_created"])
    assert len(ours["model_uuid"]) == len(theirs.model_uuid)


def test_schema_contract_and_target_travel_inside(answer: dict[str, Any]) -> None:
    folder = Path(model_of(answer).folder, "laurel")
    read = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.iterdir()}
    travelling = {"data_contract", "feature_schema", "golden_rows", "model_definition", "target"}
    assert set(read) == travelling | {"training_ranges"}
    assert list(read["feature_schema"]["tabular_features"]) == list(FEATURES)
    assert read["target"] == {"name": "price", "transform": None}
    assert read["data_contract"]["primary_key"] == ["key"]


def test_no_file_of_the_package_names_a_module_of_ours(answer: dict[str, Any]) -> None:
    folder = model_of(answer).folder
    schema = Path(folder, "model.skops").read_bytes()
    for name in bare_predictor.OURS:
        assert f'"__module__": "{name}'.encode() not in schema


def test_what_we_dump_is_what_skops_dumps(data: Dataset, tmp_path: Path) -> None:
    pipeline = load_pipeline(
        Path(model_of(trained(tmp_path / "run", data)).folder, "model.skops").read_bytes(), "ridge"
    )
    ours, theirs = (
        skops.io.loads(dumped, trusted=list(trusted_types("ridge")))
        for dumped in (skops_bytes(pipeline), skops.io.dumps(pipeline))
    )
    frame = table(rows=30, seed=5).to_pandas()
    assert ours.predict(frame).tobytes() == theirs.predict(frame).tobytes()
    assert len(skops_bytes(pipeline)) < len(skops.io.dumps(pipeline))


def _link(folder: Path) -> None:
    (folder / "model.skops").rename(folder.parent / "model.skops")
    (folder / "model.skops").symlink_to(folder.parent / "model.skops")


def _flip(folder: Path) -> None:
    data = bytearray((folder / "model.skops").read_bytes())
    data[-9] ^= 1
    (folder / "model.skops").write_bytes(data)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "bit flip": _flip,
    "file added": lambda folder: (folder / "extra.py").write_text("x = 1"),
    "file removed": lambda folder: (folder / "conda.yaml").unlink(),
    "file renamed": lambda folder: (folder / "conda.yaml").rename(folder / "conda.yml"),
    "MLmodel swapped": lambda folder: (folder / "MLmodel").write_text("flavors: {}"),
    "folder gone": lambda folder: folder.rename(folder.with_name("elsewhere")),
    "symbolic link": _link,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_package_that_is_not_the_one_recorded_is_refused(
    damage: Callable[[Path], object], answer: dict[str, Any]
) -> None:
    damage(Path(model_of(answer).folder))
    with pytest.raises(ModelUnusable) as refusal:
        verify(model_of(answer))
    assert refusal.value.reason == "model_digest_mismatch"


class Harmful:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.mark),))


def swapped(answer: dict[str, Any], data: bytes) -> PackageFiles:
    """The package with other bytes for a model, and a manifest that says so."""
    folder = Path(model_of(answer).folder)
    (folder / "model.skops").write_bytes(data)
    return files_of(folder, package_digest(folder))


def test_a_pickle_is_never_read(answer: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable) as refusal:
        verify(swapped(answer, pickle.dumps(Harmful(tmp_path / "mark"))))
    assert refusal.value.reason == "unloadable_model"
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    ("function", "named"),
    [(os.system, "posix.system"), (methodcaller("to_pickle"), "methodcaller"), (eval, "builtins.eval")],
    ids=["os.system", "methodcaller", "eval"],
)
def test_a_type_that_is_not_on_our_list_is_refused_by_name(
    function: Any, named: str, answer: dict[str, Any]
) -> None:
    foreign = make_pipeline(FunctionTransformer(function), Ridge())
    with pytest.raises(ModelUnusable, match=named) as refusal:
        verify(swapped(answer, skops.io.dumps(foreign)))
    assert refusal.value.reason == "untrusted_type"


def test_a_list_of_trusted_types_that_the_model_brings_along_counts_for_nothing(
    answer: dict[str, Any], data: Dataset, tmp_path: Path
) -> None:
    trees = trained(tmp_path / "trees", data, model=definition("random_forest"))
    with pytest.raises(ModelUnusable, match=r"sklearn\.tree\._tree\.Tree"):
        verify(swapped(answer, Path(model_of(trees).folder, "model.skops").read_bytes()))


def test_a_model_that_says_something_else_than_it_did_is_refused(
    answer: dict[str, Any], data: Dataset, tmp_path: Path
) -> None:
    other = trained(
        tmp_path / "other", data, model={"version": 1, "model": {"type": "ridge", "params": {"alpha": 50}}}
    )
    with pytest.raises(ModelUnusable) as refusal:
        verify(swapped(answer, Path(model_of(other).folder, "model.skops").read_bytes()))
    assert refusal.value.reason == "not_servable"
    assert refusal.value.facts["row"] == 0


@pytest.mark.filterwarnings("ignore:.*Any type hint")
def test_a_foreign_champion_is_scored_only_when_that_is_allowed(tmp_path: Path) -> None:
    """Here one that was logged with cloudpickle, and a signature of doubles where the rows hold integers."""
    rows = table(rows=80).drop_null()
    frame, columns = rows.to_pandas(), ["size", "floors"]
    pipeline = make_pipeline(FunctionTransformer(lambda numbers: numbers * 2), Ridge())
    pipeline.fit(frame[columns], frame["price"])
    mlflow.sklearn.save_model(
        pipeline,
        str(tmp_path / "foreign"),
        serialization_format="cloudpickle",
        signature=mlflow.models.infer_signature(frame[columns].astype(float)),
        pip_requirements=[],
    )
    package = {"folder": str(tmp_path / "foreign"), "manifest": package_digest(tmp_path / "foreign")}
    reference = dataset(tmp_path / "rows.parquet", rows)
    with pytest.raises(ModelUnusable) as refusal:
        scored({"package": package}, reference)
    assert refusal.value.reason == "foreign_model"
    result = scored({"package": package}, reference, foreign=True, predictions_folder=str(tmp_path / "said"))
    _, predictions, _ = read_predictions(Path(result["predictions"]["reference"]))
    np.testing.assert_allclose(predictions, pipeline.predict(frame[columns]), rtol=1e-12)


def test_a_folder_is_whole_or_the_old_one_whatever_call_fails(tmp_path: Path) -> None:
    """Every write, fsync and rename fails once; the last round sees no fault."""
    folder = tmp_path / "model"
    old, new = {"a": b"old", "in/b": b"old"}, {"a": b"new", "in/c": b"new"}
    publish_folder(folder, old)
    faults = 0
    while fails(lambda: publish_folder(folder, new, nth_fails(faults))):  # noqa: B023 - called at once
        left = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert left in ({"a", "in/b"}, {"a", "in/c"}, set())
        publish_folder(folder, old)
        faults += 1
    assert faults > 8
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (folder / "in/c").read_bytes() == b"new"


def fails(publish: Callable[[], None]) -> bool:
    try:
        publish()
    except TryLater as error:
        return error.reason == "disk_full"
    return False


def nth_fails(place: int) -> FileOperations:
    """File operations of which the one in this place finds the disk full."""
    calls = iter(range(1000))

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            if next(calls) == place:
                raise OSError(errno.ENOSPC, "no room")
            return call(*arguments)

        return run

    real = FileOperations()
    return replace(real, write=counted(real.write), fsync=counted(real.fsync), rename=counted(real.rename))
