"""A fit that cannot go into its memory is refused before it begins, in words that say what to change."""

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from domain.errors import NeverRetry
from domain.feature_schema import FeatureSchema
from service.lifecycle.steps.fit_memory import matrix_of
from service.processes.kernel import held_by
from tests.worlds.small_models import FEATURES, Dataset, dataset, definition, schema, table, trained


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return dataset(tmp_path / "train.parquet", table())


def spare(megabytes: int) -> int:
    """A limit that leaves this much beyond what this process holds already."""
    return held_by(os.getpid()) + (megabytes << 20)


def refused(folder: Path, data: Dataset, **asked: Any) -> NeverRetry:
    with pytest.raises(NeverRetry) as caught:
        trained(folder, data, **asked)
    assert caught.value.reason == "out_of_memory"
    return caught.value


def test_a_column_with_too_many_values_is_named_with_their_number(tmp_path: Path) -> None:
    rows = table(rows=3000)
    wide = rows.set_column(rows.column_names.index("kind"), "kind", pa.array([f"k{n}" for n in range(3000)]))
    data = dataset(tmp_path / "wide.parquet", wide)
    limit = spare(50)

    error = refused(tmp_path / "run", data, memory_bytes=limit, model=definition("gradient_boosting"))

    assert "column 'kind' makes 3000" in error.message
    assert "give 'kind' another encoding" in error.message
    assert "CHILD__MEMORY_MEGABYTES" in error.message
    facts = error.facts
    assert (facts["column"], facts["values"]) == ("kind", 3000)
    assert (facts["rows"], facts["columns"]) == (3000, 3003)
    assert facts["needed_bytes"] > facts["allowed_bytes"] == limit
    assert not (tmp_path / "run" / "model").exists()


def test_without_a_wide_column_no_column_is_blamed(data: Dataset, tmp_path: Path) -> None:
    numbers = {name: FEATURES[name] for name in ("size", "floors")}

    error = refused(tmp_path / "run", data, features=numbers, memory_bytes=1)

    assert "column" not in error.facts
    assert error.message.endswith("To fit it, allow more memory, or train on fewer rows or columns")


def test_too_many_rows_are_refused_before_their_file_is_read(tmp_path: Path) -> None:
    absent = Dataset(tmp_path / "absent.parquet", "0" * 64)

    error = refused(tmp_path / "run", absent, rows=10**12)

    assert "the limit of this container or machine" in error.message


def test_what_fits_is_fitted(data: Dataset, tmp_path: Path) -> None:
    assert trained(tmp_path / "run", data, memory_bytes=spare(50), rows=120)["package"]


def test_values_that_are_null_and_imputed_make_no_column() -> None:
    """Two kinds and a null: two columns when the null is filled in, else three."""
    specs = (FEATURES["kind"], {"type": "categorical", "encoding": "onehot"})
    features = [FeatureSchema.model_validate(schema({"kind": spec})) for spec in specs]

    assert [matrix_of("ridge", table(), each).columns for each in features] == [2, 3]
