"""Columns that are encoded one after the other make what a ColumnTransformer makes of the whole frame."""

import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from domain.data_contract import DataContract
from domain.errors import NeverRetry
from domain.feature_schema import FeatureSchema
from service.adapters.pyarrow.datasets import Columns, exact_frame_of
from service.adapters.sklearn.encoding import encode
from service.adapters.sklearn.preprocessing import build_preprocessing, stored_column
from tests.worlds.small_models import CONTRACT, FEATURES, schema, table

CONTENT = DataContract.model_validate(CONTRACT)
SCHEMA = FeatureSchema.model_validate(schema())


@pytest.mark.parametrize("widths", [{"kind": 2}, {}, {"kind": 9, "size": 3}], ids=["right", "less", "more"])
def test_matrix_and_preprocessing_are_those_of_the_whole_frame(widths: Mapping[str, int]) -> None:
    rows = table(rows=200)
    frame = exact_frame_of(rows, SCHEMA.columns)
    stored = {
        name: stored_column(frame[name], CONTENT.columns[name], spec)
        for name, spec in SCHEMA.tabular_features.items()
    }
    whole = build_preprocessing(SCHEMA, CONTENT, stored)
    expected = whole.fit_transform(frame)

    preprocessing, matrix = encode(SCHEMA, CONTENT, Columns(rows, SCHEMA.columns), widths)

    assert matrix.flags.c_contiguous
    assert matrix.tobytes() == expected.tobytes()
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

    encode(SCHEMA, CONTENT, Watched(), {})

    assert len(taken) == len(FEATURES)


def test_what_cannot_be_encoded_is_named() -> None:
    rows = table()
    odd = rows.set_column(rows.column_names.index("grade"), "grade", pa.array(["odd"] * len(rows)))

    with pytest.raises(NeverRetry) as caught:
        encode(SCHEMA, CONTENT, Columns(odd, SCHEMA.columns), {})

    assert (caught.value.reason, caught.value.facts["column"]) == ("frame_invalid", "grade")


def test_a_sparse_column_beside_others_keeps_every_value() -> None:
    """Many values and few rows: all that is not a one is a zero, whatever the memory held before."""
    names = [f"k{place % 40}" for place in range(400)]
    rows = table(rows=400)
    wide = rows.set_column(rows.column_names.index("kind"), "kind", pa.array(names))

    _, matrix = encode(SCHEMA, CONTENT, Columns(wide, SCHEMA.columns), {"kind": 40})

    places = [sorted(set(names)).index(name) for name in names]
    assert np.array_equal(matrix[:, 2:42], np.eye(40)[places])
