"""Rows of a request are predicted as the pipeline predicts them, to the bit, whatever stands in them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import ModelUnusable
from service.adapters.pyarrow.datasets import frame_of_rows
from service.adapters.sklearn.fitting import predict
from service.adapters.sklearn.row_prediction import RowPredictor
from service.models.load import ModelFolder
from tests.worlds.small_models import CONTRACT, MODELS, dataset, definition, table, trained

# Every way to prepare a column, with and without nulls in training.
FEATURES: Mapping[str, Any] = {
    "size": {"type": "numeric", "impute": "median", "clip": [20, 90], "scaler": "standard"},
    "area": {"type": "numeric", "impute": "mean"},
    "floors": {"type": "numeric", "impute": "constant", "scaler": "minmax"},
    "rooms": {"type": "numeric", "impute": "most_frequent", "clip": [2, 5]},
    "age": {"type": "numeric", "impute": "constant"},
    "kind": {"type": "categorical", "impute": "most_frequent", "encoding": "onehot"},
    "place": {"type": "categorical", "encoding": "onehot"},
    "roof": {"type": "categorical", "impute": "constant", "encoding": "onehot"},
    "heating": {"type": "categorical", "impute": "constant", "encoding": "binary"},
    "garage": {"type": "categorical", "impute": "most_frequent", "encoding": "binary"},
    "grade": {"type": "categorical", "encoding": "ordinal", "order": ["low", "mid", "high"]},
    "level": {"type": "categorical", "impute": "constant", "encoding": "ordinal", "order": [0, 1, 2]},
}
BARE = {"bare": {"type": "numeric"}}  # nulls reach the estimator
TAKES_NULLS = {"random_forest", "hist_gradient_boosting", "lightgbm", "xgboost"}
NUMBERS = ("size", "area", "floors", "rooms", "age", "bare")
TEXTS = ("kind", "place", "roof", "heating", "garage", "grade")
WORDS = {
    "kind": ["house", "flat"],
    "place": ["north", "south"],
    "roof": ["house", "flat"],
    "heating": ["house", "flat"],
    "garage": ["house", "flat"],
    "grade": ["low", "mid", "high"],
}
NULLS_ALLOWED = {*TEXTS} - {"grade"}
UNSEEN_ALLOWED = {"kind", "place", "roof"}


def _table(rows: int = 150) -> Any:
    plain = table(rows)
    for name, like in (
        ("area", "size"),
        ("rooms", "floors"),
        ("age", "size"),
        ("bare", "size"),
        ("roof", "kind"),
        ("heating", "kind"),
        ("garage", "kind"),
    ):
        plain = plain.append_column(name, plain.column(like))
    level = [(0, 1, 2, None)[place % 4] for place in range(rows)]
    return plain.append_column("level", [level])


def _contract() -> dict[str, Any]:
    columns = dict(CONTRACT["columns"])
    columns |= {name: {"type": "float"} for name in ("area", "age", "bare")}
    columns |= {name: {"type": "int"} for name in ("rooms", "level")}
    columns |= {name: {"type": "string"} for name in ("roof", "heating", "garage")}
    return {**CONTRACT, "columns": columns}


Predictors = dict[str, tuple[Any, RowPredictor]]


@pytest.fixture(scope="module")
def predictors(tmp_path_factory: pytest.TempPathFactory) -> Predictors:
    """Per model type, plain and on the logarithm: the pipeline, and what serves its rows."""
    folder = tmp_path_factory.mktemp("models")
    data = dataset(folder / "train.parquet", _table())
    return {
        f"{kind} {transform}": _loaded(folder / f"{kind}-{transform}", data, kind, transform)
        for kind in MODELS
        for transform in (None, "log1p")
    }


def _loaded(folder: Path, data: Any, kind: str, transform: str | None) -> tuple[Any, RowPredictor]:
    model = definition(kind)
    model["model"]["target_transform"] = transform
    features = {**FEATURES, **BARE} if kind in TAKES_NULLS else FEATURES
    package = trained(folder, data, model=model, features=features, contract=_contract())["package"]
    files = ModelFolder(package["folder"], package["manifest"])
    return files.open()[0], RowPredictor.of(files.open()[0])


def _number() -> st.SearchStrategy[Any]:
    return st.one_of(
        st.none(), st.floats(-1e9, 1e9), st.integers(-(10**12), 10**12), st.sampled_from([0.0, -0.0, 20, 90])
    )


def _text(name: str) -> st.SearchStrategy[Any]:
    choices: list[st.SearchStrategy[Any]] = [st.sampled_from(WORDS[name])]
    if name in NULLS_ALLOWED:
        choices.append(st.none())
    if name in UNSEEN_ALLOWED:
        choices.append(st.text(max_size=8))
    return st.one_of(choices)


ROWS = st.lists(
    st.fixed_dictionaries(
        {name: _number() for name in NUMBERS}
        | {name: _text(name) for name in TEXTS}
        | {"level": st.sampled_from([0, 1, 2, 1.0, None])}
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_quick_rows_are_the_pipelines_to_the_bit(predictors: Predictors, rows: list[dict[str, Any]]) -> None:
    for name, (pipeline, predictor) in predictors.items():
        expected = predict(pipeline, frame_of_rows(rows)).tolist()
        assert predictor(rows) == expected, name


def test_many_rows_are_the_pipelines_to_the_bit(predictors: Predictors) -> None:
    rows = _table(1500).to_pylist()
    for name, (pipeline, predictor) in predictors.items():
        assert predictor(rows) == predict(pipeline, frame_of_rows(rows)).tolist(), name


@pytest.mark.parametrize(
    ("column", "value"), [("grade", "top"), ("grade", None), ("garage", "barn"), ("size", "wide")]
)
def test_what_an_encoder_does_not_know_is_refused_by_name(
    predictors: Predictors, column: str, value: Any
) -> None:
    row = {**_table(1).to_pylist()[0], column: value}
    for _, predictor in predictors.values():
        with pytest.raises(ModelUnusable) as refusal:
            predictor([row])
        assert (refusal.value.reason, refusal.value.facts["column"]) == ("cannot_predict", column)


def test_the_categories_that_have_a_code_are_told(predictors: Predictors) -> None:
    _, predictor = predictors["ridge None"]
    assert predictor.categories["grade"] == ("low", "mid", "high")
    assert predictor.categories["place"] == ("north", "south")
    assert set(predictor.categories["roof"]) == {"flat", "house", "missing_value"}
