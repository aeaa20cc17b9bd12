"""Columns that are encoded one after the other make what a ColumnTransformer makes of the whole frame."""

import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from numpy.typing import NDArray
from scipy.sparse import issparse

from domain.data_contract import DataContract
from domain.errors import NeverRetry
from domain.feature_schema import FeatureSchema
from domain.model_types import MODEL_TYPES, Estimator
from service.adapters.pyarrow.datasets import TableColumns, exact_frame_of, floats_of
from service.adapters.sklearn.encoding import Widths, encode
from service.adapters.sklearn.fitting import Fitted, fit, predict
from service.adapters.sklearn.preprocessing import build_preprocessing, stored_column
from service.models.verify import verify
from tests.worlds.small_models import (
    CONTRACT,
    FEATURES,
    MODELS,
    dataset,
    definition,
    model_of,
    schema,
    table,
    trained,
)

CONTENT = DataContract.model_validate(CONTRACT)
SCHEMA = FeatureSchema.model_validate(schema())


@pytest.mark.parametrize(
    "widths",
    [
        Widths({"kind": 2}),
        Widths(),
        Widths({"kind": 9, "size": 3}),
        Widths(sparse=True),
        Widths({"kind": 2}, by_rows=True),
        Widths({"kind": 9}, single_precision=True),
    ],
    ids=["right", "less", "more", "sparse", "by rows", "in 32 bits"],
)
def test_matrix_and_preprocessing_are_those_of_the_whole_frame(widths: Widths) -> None:
    rows = table(rows=200)
    frame = exact_frame_of(rows, SCHEMA.columns)
    stored = {
        name: stored_column(frame[name], CONTENT.columns[name], spec)
        for name, spec in SCHEMA.tabular_features.items()
    }
    whole = build_preprocessing(SCHEMA, CONTENT, stored)
    expected = whole.fit_transform(frame)

    preprocessing, encoded = encode(SCHEMA, CONTENT, TableColumns(rows, SCHEMA.columns), widths)

    rows_as_made: Any = encoded
    matrix = rows_as_made.toarray() if issparse(encoded) else rows_as_made
    assert matrix.flags.c_contiguous == (widths.by_rows or widths.sparse)
    assert matrix.tobytes() == expected.astype(matrix.dtype).tobytes()
    assert (matrix.dtype == np.float32) == widths.single_precision
    assert preprocessing.transform(frame).tobytes() == expected.tobytes()
    assert without_steps(preprocessing) == without_steps(whole)
    assert str(preprocessing.transformers_) == str(whole.transformers_)


def without_steps(fitted: Any) -> dict[str, str]:
    """Everything that a fitted ColumnTransformer holds, beside the steps themselves."""
    return {name: repr(value) for name, value in vars(fitted).items() if name != "transformers_"}


def test_a_column_is_let_go_before_the_next_one_is_taken() -> None:
    frame = exact_frame_of(table(), SCHEMA.columns)
    taken: list[weakref.ref[Any]] = []

    class Watched:
        def pop(self, name: str, /) -> "pd.Series[Any]":
            assert [one for one in taken if one() is not None] == []
            column = frame[name].copy()
            taken.append(weakref.ref(column))
            return column

    encode(SCHEMA, CONTENT, Watched())

    assert len(taken) == len(FEATURES)


def test_what_cannot_be_encoded_is_named() -> None:
    rows = table()
    odd = rows.set_column(rows.column_names.index("grade"), "grade", pa.array(["odd"] * len(rows)))

    with pytest.raises(NeverRetry) as caught:
        encode(SCHEMA, CONTENT, TableColumns(odd, SCHEMA.columns))

    assert (caught.value.reason, caught.value.facts["column"]) == ("frame_invalid", "grade")


def wide(rows: int, values: int) -> pa.Table:
    """Rows whose kinds are many."""
    kinds = pa.array([f"k{place % values:02}" for place in range(rows)])
    plain = table(rows=rows)
    return plain.set_column(plain.column_names.index("kind"), "kind", kinds)


def test_a_sparse_column_beside_others_keeps_every_value() -> None:
    """Many values and few rows: all that is not a one is a zero, whatever the memory held before."""
    _, matrix = encode(SCHEMA, CONTENT, TableColumns(wide(400, 40), SCHEMA.columns), Widths({"kind": 40}))

    assert np.array_equal(matrix[:, 2:42], np.eye(40)[[place % 40 for place in range(400)]])


@pytest.mark.parametrize("kind", [kind for kind, row in MODEL_TYPES.items() if row.takes_sparse])
def test_a_type_that_takes_rows_without_zeros_learns_the_same_to_the_bit(kind: str) -> None:
    rows = wide(4000, 40)
    truth, frame = floats_of(rows, "price"), exact_frame_of(rows, SCHEMA.columns)
    model = Estimator(type=kind, params=MODELS[kind])
    widths = (Widths({"kind": 40}, sparse=each) for each in (False, True))
    dense, sparse = (
        fit(SCHEMA, CONTENT, model, TableColumns(rows, SCHEMA.columns), truth, 7, widths=each)
        for each in widths
    )

    assert issparse(sparse.prepared)
    assert dense.predictions().tobytes() == sparse.predictions().tobytes()
    assert predict(sparse.pipeline, frame).tobytes() == dense.predictions().tobytes()


@pytest.mark.parametrize("kind", [kind for kind, row in MODEL_TYPES.items() if not row.by_rows])
def test_from_rows_that_lie_column_by_column_the_same_is_learned_to_the_bit(kind: str) -> None:
    rows = table(rows=1000)
    rows = rows.filter(pc.is_valid(rows.column("size")))
    truth = floats_of(rows, "price")
    model = Estimator(type=kind, params=MODELS[kind])
    by_columns, by_rows = (
        fit(SCHEMA, CONTENT, model, TableColumns(rows, SCHEMA.columns), truth, 7, widths=Widths(by_rows=each))
        for each in (False, True)
    )

    assert by_columns.predictions().tobytes() == by_rows.predictions().tobytes()


IN_32_BITS = [kind for kind, row in MODEL_TYPES.items() if row.single_precision]
PLAIN = FeatureSchema.model_validate(schema({**FEATURES, "size": {"type": "numeric"}}))


def fitted_on_sizes(sizes: NDArray[np.float64], kind: str, widths: Widths) -> Fitted:
    """A model of rows with these sizes, as they are, and a price that they make."""
    rows = table(rows=len(sizes))
    rows = rows.set_column(rows.column_names.index("size"), "size", pa.array(sizes))
    truth = floats_of(rows, "price") + 100 * np.sin(sizes)
    model = Estimator(type=kind, params=MODELS[kind])
    return fit(PLAIN, CONTENT, model, TableColumns(rows, PLAIN.columns), truth, 7, widths=widths)


@pytest.mark.parametrize("kind", IN_32_BITS)
def test_from_values_of_32_bits_the_same_is_learned_to_the_bit(kind: str) -> None:
    """Values that 32 bits do not hold, some of which differ in 64 bits alone."""
    sizes = np.repeat(np.random.default_rng(5).normal(size=500), 2) + np.tile([0, 1e-12], 500)
    double, single = (
        fitted_on_sizes(sizes, kind, widths) for widths in (Widths(), Widths(single_precision=True))
    )

    assert (double.prepared.dtype, single.prepared.dtype) == (np.float64, np.float32)
    assert len(set(double.predictions().tolist())) > 20
    assert double.predictions().tobytes() == single.predictions().tobytes()


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")  # scikit-learn's own, from 64 bits
@pytest.mark.parametrize("kind", IN_32_BITS)
def test_a_value_that_is_infinite_in_32_bits_is_refused_in_the_same_words(kind: str) -> None:
    said = []
    for widths in (Widths(), Widths(single_precision=True)):
        with pytest.raises(NeverRetry) as caught:
            fitted_on_sizes(np.array([1e39, 1.0] * 50), kind, widths)
        said.append((caught.value.reason, caught.value.message))

    assert said[0] == said[1]
    assert said[0][0] == "fit_failed"


def test_a_package_that_was_fitted_without_zeros_is_as_good_as_others(tmp_path: Path) -> None:
    data = dataset(tmp_path / "train.parquet", wide(400, 40))

    answer = trained(tmp_path / "run", data, model=definition("lightgbm"))

    assert verify(model_of(answer)).golden_rows == 5
