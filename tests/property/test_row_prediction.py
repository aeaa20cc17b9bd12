"""Rows of a request are predicted as the pipeline predicts them, to the bit, whatever stands in them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import ModelUnusable
from service.adapters.pyarrow.datasets import frame_of_rows
from service.adapters.sklearn.fitting import predict
from service.adapters.sklearn.row_prediction import RowPredictor
from service.models.load import ModelFolder
from service.models.request_columns import ColumnChecks
from service.models.request_fields import request_fields
from service.runtime.web.problems import ProblemDetails
from service.serving.predictor import Limits, Predictor
from service.serving.served_model import ServedModel, Serving
from service.serving.serving_metrics import InferenceMetrics
from tests.worlds.served_models import served_model
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


class Loaded(NamedTuple):
    """A pipeline, what serves its rows, and the model as a server holds it."""

    pipeline: Any
    predictor: RowPredictor
    served: ServedModel


Predictors = dict[str, Loaded]


@pytest.fixture(scope="module")
def predictors(tmp_path_factory: pytest.TempPathFactory) -> Predictors:
    """Per model type, and on the logarithm a line and trees: the pipeline, and what serves its rows."""
    folder = tmp_path_factory.mktemp("models")
    data = dataset(folder / "train.parquet", _table())
    wanted = [*((kind, None) for kind in MODELS), *((kind, "log1p") for kind in ("ridge", "xgboost"))]
    return {
        f"{kind} {transform}": _loaded(folder / f"{kind}-{transform}", data, kind, transform)
        for kind, transform in wanted
    }


def _loaded(folder: Path, data: Any, kind: str, transform: str | None) -> Loaded:
    model = definition(kind)
    model["model"]["target_transform"] = transform
    features = {**FEATURES, **BARE} if kind in TAKES_NULLS else FEATURES
    package = trained(folder, data, model=model, features=features, contract=_contract())["package"]
    files = ModelFolder(package["folder"], package["manifest"])
    predictor = RowPredictor.of(files.open()[0])
    served = served_model(
        predict=predictor,
        features=features,
        columns=_contract()["columns"],
        known=predictor.categories,
        singles=predictor.singles,
        predict_columns=predictor.of_columns,
        ranges={"area": (0.0, 60.0)},
    )
    return Loaded(files.open()[0], predictor, served)


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


@settings(
    max_examples=settings().max_examples // 6, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=ROWS)
def test_quick_rows_are_the_pipelines_to_the_bit(predictors: Predictors, rows: list[dict[str, Any]]) -> None:
    for name, (pipeline, predictor, _) in predictors.items():
        expected = predict(pipeline, frame_of_rows(rows)).tolist()
        assert predictor(rows) == expected, name


def test_many_rows_are_the_pipelines_to_the_bit(predictors: Predictors) -> None:
    rows = _table(1500).to_pylist()
    for name, (pipeline, predictor, served) in predictors.items():
        assert predictor(rows) == predict(pipeline, frame_of_rows(rows)).tolist(), name
        fields = request_fields(served.features, served.contract, served.known, served.singles)
        columns = ColumnChecks(fields, refuse_unknown=False).taken(rows)
        assert columns is not None, name
        assert predictor.of_columns is not None
        assert predictor.of_columns(columns) == predictor(rows), name


SPOILT = st.dictionaries(
    st.sampled_from([*NUMBERS, *TEXTS, "level", "other"]),
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    max_size=2,
)


@settings(
    max_examples=settings().max_examples // 5, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(spoilt=st.lists(SPOILT, min_size=1, max_size=3), refuses=st.booleans())
def test_by_column_and_row_by_row_come_to_the_same_answer_refusal_and_drift(
    predictors: Predictors, spoilt: list[dict[str, Any]], *, refuses: bool
) -> None:
    whole = _table(20).to_pylist()
    for name, (_, _, served) in predictors.items():
        rows = [{column: row[column] for column in served.features.columns} for row in whole]
        rows[2:2] = [{**rows[0], **changes} for changes in spoilt]
        body = json.dumps(rows, allow_nan=False).encode() if _is_json(rows) else b"[]"
        by_column, by_row = [
            _answered(model, body, refuses=refuses)
            for model in (served, replace(served, predict_columns=None))
        ]
        assert by_column == by_row, name


def _is_json(rows: list[dict[str, Any]]) -> bool:
    return all(not isinstance(value, float) or isfinite(value) for row in rows for value in row.values())


def _answered(model: ServedModel, body: bytes, *, refuses: bool) -> Any:
    metrics = InferenceMetrics(Serving(), "price")
    desk = Predictor(model, Limits(100, 1 << 20, refuses_unknown=refuses), metrics)
    try:
        return desk.answer(body), metrics.drift.each()
    except ProblemDetails as problem:
        return problem.reason, problem.detail, problem.more, metrics.drift.each()


@pytest.mark.parametrize(
    ("column", "value"), [("grade", "top"), ("grade", None), ("garage", "barn"), ("size", "wide")]
)
def test_what_an_encoder_does_not_know_is_refused_by_name(
    predictors: Predictors, column: str, value: Any
) -> None:
    row = {**_table(1).to_pylist()[0], column: value}
    for _, predictor, _ in predictors.values():
        with pytest.raises(ModelUnusable) as refusal:
            predictor([row])
        assert (refusal.value.reason, refusal.value.facts["column"]) == ("cannot_predict", column)


def test_the_categories_that_have_a_code_are_told(predictors: Predictors) -> None:
    _, predictor, _ = predictors["ridge None"]
    assert predictor.categories["grade"] == ("low", "mid", "high")
    assert predictor.categories["place"] == ("north", "south")
    assert set(predictor.categories["roof"]) == {"flat", "house", "missing_value"}
