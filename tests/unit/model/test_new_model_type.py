"""A model type is one row of a table: a new row is trained, verified, listed, loaded and served."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from domain.errors import ModelUnusable, NeverRetry
from domain.model_types import MODEL_TYPES, ModelKind, NumberRange
from service.adapters.sklearn.row_prediction import RowPredictor
from service.models.load import ModelFolder
from service.models.verify import verify
from tests.worlds.small_models import Dataset, dataset, model_of, scored, table, trained

ROW = ModelKind(
    "sklearn.ensemble:ExtraTreesRegressor",
    memory_factor=2.0,
    defaults={"n_jobs": 1},
    trees="forest",
    trusted=("sklearn.tree._tree.Tree",),
    ranges={"n_estimators": NumberRange(1, 50, whole=True)},
    distributions=("polars",),
)


def trees(number: int) -> dict[str, Any]:
    return {"version": 1, "model": {"type": "extra_trees", "params": {"n_estimators": number}}}


@pytest.fixture(autouse=True)
def _new_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODEL_TYPES, "extra_trees", ROW)


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return dataset(tmp_path / "train.parquet", table())


def test_a_new_row_is_trained_verified_scored_and_served(data: Dataset, tmp_path: Path) -> None:
    answer = trained(tmp_path / "run", data, model=trees(7))
    assert verify(model_of(answer)).golden_rows == 5
    assert scored(answer, data)["scores"]["reference"]["rows"] == 120
    model = model_of(answer)
    folder = ModelFolder(model.folder, model.manifest)
    pipeline, _ = folder.open()
    assert len(pipeline[-1].estimators_) == 7
    golden = folder.travelling("golden_rows")
    assert RowPredictor.of(pipeline)(golden["rows"]) == pytest.approx(golden["predictions"])
    listed = yaml.safe_load(folder.read("MLmodel"))["flavors"]["sklearn"]["skops_trusted_types"]
    assert "sklearn.tree._tree.Tree" in listed
    assert "polars==" in folder.read("requirements.txt").decode()


def test_its_params_are_held_against_its_row(data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(NeverRetry, match="n_estimators of extra_trees must be a whole number"):
        trained(tmp_path / "run", data, model=trees(51))


def test_a_type_without_a_row_is_not_loaded(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = trained(tmp_path / "run", data, model=trees(7))
    monkeypatch.delitem(MODEL_TYPES, "extra_trees")
    with pytest.raises(ModelUnusable):
        verify(model_of(answer))
