"""Whatever a contract allows in a column: the answer for a row of the reference is the number that scored it.

A model is fitted for each kind of column, with nulls nowhere, in train, in reference or in both. Then rows of
the reference go to the page's own desk as JSON, one by one and as a list, in each spelling of their numbers.
It takes 20 s and more: each example is a whole training, verification and scoring.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.arrays import Floats
from service.adapters.pyarrow.datasets import read_predictions
from service.adapters.sklearn.row_prediction import RowPredictor
from service.models.load import ModelFolder
from service.models.verify import verify
from service.serving.predictor import Limits, Predictor
from service.serving.served_model import ServedModel, Serving
from service.serving.serving_metrics import InferenceMetrics
from tests.worlds.served_models import served_model
from tests.worlds.small_models import dataset, model_of, scored, trained

_MOST_ROWS = 1000
_ROWS = 24


@dataclass(frozen=True)
class Kind:
    """A column: its type in the file, in the contract, and values."""

    stored: pa.DataType
    ruled: str
    values: st.SearchStrategy[Any]


def _whole(low: int, high: int) -> st.SearchStrategy[int]:
    edges = [
        low,
        high,
        high - 1,
        *(edge for edge in (-1, 0, 1, 2**53, 2**53 + 1, 2**63 - 1) if low <= edge <= high),
    ]
    return st.integers(low, high) | st.sampled_from(edges)


def _singles() -> st.SearchStrategy[float]:
    tenths = st.integers(-30, 30).map(lambda tenths: float(np.float32(tenths / 10)))
    return (
        tenths | st.floats(-1e6, 1e6, width=32) | st.sampled_from([-0.0, 16777216.0, float(np.float32(1e30))])
    )


_DOUBLES = st.floats(-1e6, 1e6) | st.sampled_from([-0.0, 0.1, 2.0**53, 1e17 + 16, -1e19, 1e30, 5e-324])
_TEXTS = st.text(max_size=6) | st.sampled_from(
    ["", " ", "0", "007", "1e5", "nan", "None", "null", "true", "é", "e\u0301", "\0"]
)
_NEAR = st.integers(-2, 2).map(lambda step: float(2**53 + 2 * step))  # whole numbers in a column of floats

KINDS: Mapping[str, Kind] = {
    "int8": Kind(pa.int8(), "int", _whole(-(2**7), 2**7 - 1)),
    "uint16": Kind(pa.uint16(), "int", _whole(0, 2**16 - 1)),
    "int32": Kind(pa.int32(), "int", _whole(-(2**31), 2**31 - 1)),
    "int64": Kind(pa.int64(), "int", _whole(-(2**63), 2**63 - 1)),
    "long ids": Kind(pa.int64(), "int", _whole(2**53 - 2, 2**53 + 4)),
    "uint64": Kind(pa.uint64(), "int", _whole(0, 2**64 - 1)),
    "long ids as floats": Kind(pa.float64(), "int", _NEAR),
    "whole numbers ruled floats": Kind(pa.int64(), "float", _whole(2**53 - 2, 2**53 + 4)),
    "float32": Kind(pa.float32(), "float", _singles()),
    "whole float32": Kind(pa.float32(), "int", _whole(-(2**24), 2**24).map(float)),
    "float64": Kind(pa.float64(), "float", _DOUBLES),
    "text": Kind(pa.string(), "string", _TEXTS),
    "large text": Kind(pa.large_string(), "string", _TEXTS),
    "dictionary": Kind(pa.dictionary(pa.int32(), pa.string()), "string", _TEXTS),
}
ONEHOT: Mapping[str, Any] = {"type": "categorical", "encoding": "onehot"}
SPECS: Sequence[Mapping[str, Any]] = (
    ONEHOT,
    {**ONEHOT, "impute": "most_frequent"},
    {**ONEHOT, "impute": "constant"},
    {"type": "categorical", "encoding": "binary", "impute": "most_frequent"},
    {"type": "categorical", "encoding": "binary", "impute": "constant"},
    {"type": "categorical", "encoding": "ordinal", "impute": "most_frequent", "order": ...},
    {"type": "numeric"},
    {"type": "numeric", "impute": "median", "scaler": "standard"},
    {"type": "numeric", "impute": "constant", "clip": [-100, 1e9]},
)
MODELS: Mapping[str, Mapping[str, Any]] = {
    "hist_gradient_boosting": {"max_iter": 3, "min_samples_leaf": 1},
    "random_forest": {"n_estimators": 3},
}


@dataclass(frozen=True)
class Case:
    """One column in both parts, how it is prepared, and which model learns from it."""

    kind: Kind
    spec: Mapping[str, Any]
    model: str
    train: Sequence[Any]
    reference: Sequence[Any]


@st.composite
def cases(draw: st.DrawFn, kind: Kind) -> Case:
    spec = draw(st.sampled_from([one for one in SPECS if kind.ruled != "string" or one["type"] != "numeric"]))
    pool = draw(st.lists(kind.values, min_size=2, max_size=6, unique=True))
    few = [*pool, 0 if kind.ruled == "int" else 0.0] if kind.ruled != "string" else [*pool, "missing_value"]
    if "order" in spec:
        spec = {**spec, "order": list(dict.fromkeys(few))}
    nulls_in = draw(st.sampled_from(["neither", "train", "reference", "both"]))
    # A value without a code would stop the run: these encoders see every value, and the fill, in training.
    unseen = [] if spec.get("encoding") in {"binary", "ordinal"} else [draw(kind.values)]
    train = [*few, *draw(st.lists(st.sampled_from(few), min_size=_ROWS, max_size=_ROWS))]
    reference = draw(st.lists(st.sampled_from([*few, *unseen]), min_size=4, max_size=8))
    if nulls_in in {"train", "both"}:
        train = [*train, None, None]
    if nulls_in in {"reference", "both"}:
        reference = [*reference, None]
    return Case(kind, spec, draw(st.sampled_from([*MODELS])), train, reference)


def table_of(case: Case, values: Sequence[Any], seed: int) -> pa.Table:
    """Rows whose target tells each value from the others, so that two that are taken for one show."""
    distinct = list(dict.fromkeys([*case.train, *case.reference]))
    noise = np.random.default_rng(seed).random(len(values))
    column = pa.array(values, pa.string() if pa.types.is_dictionary(case.kind.stored) else case.kind.stored)
    return pa.table(
        {
            "key": pa.array(range(len(values))),
            "it": column.dictionary_encode() if pa.types.is_dictionary(case.kind.stored) else column,
            "price": pa.array([100.0 + 50 * distinct.index(value) for value in values] + noise),
        }
    )


def contract_of(kind: Kind) -> dict[str, Any]:
    columns = {"key": {"type": "int"}, "it": {"type": kind.ruled}, "price": {"type": "float"}}
    return {"version": 1, "columns": columns, "primary_key": ["key"], "target": "price"}


def scores_and_predictor(case: Case, folder: Path) -> tuple[Floats, Predictor]:
    """What the worker scored, and the desk of a server that loads the package from its files."""
    answer = trained(
        folder / "run",
        dataset(folder / "train.parquet", table_of(case, case.train, 1)),
        model={"version": 1, "model": {"type": case.model, "params": {**MODELS[case.model]}}},
        features={"it": case.spec},
        contract=contract_of(case.kind),
    )
    verify(model_of(answer))
    reference = dataset(folder / "reference.parquet", table_of(case, case.reference, 2))
    said = scored(answer, reference, predictions_folder=str(folder))["predictions"]["reference"]
    return read_predictions(Path(said))[1], Predictor(
        served(answer),
        Limits(_MOST_ROWS, 1 << 20, refuses_unknown=True),
        InferenceMetrics(Serving(), "price"),
    )


def served(answer: Mapping[str, Any]) -> ServedModel:
    package = ModelFolder(answer["package"]["folder"], answer["package"]["manifest"])
    pipeline, schema = package.open()
    predict = RowPredictor.of(pipeline)
    return served_model(
        predict=predict,
        features=schema.features.model_dump(mode="json")["tabular_features"],
        columns=schema.contract.model_dump(mode="json")["columns"],
        known=predict.categories,
        singles=predict.singles,
        predict_columns=predict.of_columns,
    )


def spellings(kind: Kind, value: Any) -> list[Any]:
    """A value as different writers of JSON put it."""
    if value is None or kind.ruled == "string":
        return [value]
    exact = pa.scalar(value, kind.stored).as_py()
    found = [exact]
    if kind.stored == pa.float32():
        found.append(float(str(np.float32(value))))
    if kind.ruled == "int" and isinstance(exact, float):
        found.append(int(exact))
    if isinstance(exact, int) and float(exact) == exact:
        found.append(float(exact))
    return found


def asked(predictor: Predictor, body: Any) -> Any:
    return json.loads(predictor.answer(json.dumps(body).encode()))


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=settings().max_examples // 16)  # a training for each
@given(data=st.data())
def test_the_answer_for_a_row_of_the_reference_is_the_number_that_scored_it(
    name: str, data: st.DataObject
) -> None:
    case = data.draw(cases(KINDS[name]))
    with TemporaryDirectory() as folder:
        scores, predictor = scores_and_predictor(case, Path(folder))
    pairs = [
        ({"it": spelling}, float(score))
        for value, score in zip(case.reference, scores, strict=True)
        for spelling in spellings(case.kind, value)
    ]
    assert [asked(predictor, row)["prediction"] for row, _ in pairs] == [score for _, score in pairs]
    for times in (1, 16):  # a few rows, and so many that they are looked at by column
        together = asked(predictor, [row for row, _ in pairs * times])
        assert [answer["prediction"] for answer in together] == [score for _, score in pairs * times]
