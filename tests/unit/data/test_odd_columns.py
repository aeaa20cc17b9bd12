"""Columns with names and types that an engine has ideas of its own about."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.datasets import DatasetLimits
from domain.errors import NeverRetry
from tests.worlds.split_jobs import SMALL_FEATURES, SMALL_ROWS, keys_of, rows_of, small_job, split_small

STREAMED = DatasetLimits(in_memory_cells=0)
PATTERNS = {"key": "^k.*$", "place": "*", "year": "^.*$", "size": "^size$", "price": "**"}


def refusal(act: Callable[[], Any], reason: str) -> NeverRetry:
    with pytest.raises(NeverRetry) as caught:
        act()
    assert caught.value.reason == reason
    return caught.value


def contract_of(names: dict[str, str], **rules: Any) -> dict[str, Any]:
    """The small contract under other names."""
    types = {"key": "string", "place": "string", "year": "int", "size": "float", "price": "float"}
    columns = {names[column]: {"type": kind} | rules.get(column, {}) for column, kind in types.items()}
    return {"version": 1, "columns": columns, "primary_key": [names["key"]], "target": names["price"]}


def split_of(names: dict[str, str], strategy: str) -> dict[str, Any]:
    """One rule of each kind."""
    common = {"version": 1, "data_contract": 1, "split_strategy": strategy, "periodic_column": names["year"]}
    rules: dict[str, dict[str, Any]] = {
        "geographic": {
            "geographic_column": names["place"],
            "test_localities": ["north"],
            "reference_test_period": {"min": 2010, "max": 2012},
        },
        "hash": {"key_columns": [names["key"]], "test_fraction": 0.5, "salt": "2"},
        "temporal": {"reference_test_period": {"min": 2012}},
    }
    return {**common, **rules[strategy]}


@pytest.mark.parametrize("limits", [DatasetLimits(), STREAMED], ids=["memory", "streamed"])
@pytest.mark.parametrize("strategy", ["geographic", "hash", "temporal"])
def test_a_column_s_name_is_no_pattern(tmp_path: Path, strategy: str, limits: DatasetLimits) -> None:
    """Not in the contract's checks, not in a rule, not beside a reference: the split is as by plain names."""
    plain = {name: name for name in SMALL_ROWS}
    manifests = {}
    for folder, names in (("plain", plain), ("odd", PATTERNS)):
        table = pa.table({names[name]: values for name, values in SMALL_ROWS.items()} | {"carried": range(6)})
        features = {**SMALL_FEATURES, "tabular_features": {names["size"]: {"type": "numeric"}}}
        changes: dict[str, Any] = {
            "contract": contract_of(names, size={"min": 0}),
            "split": split_of(names, strategy),
            "features": features,
            "limits": limits,
        }
        first = split_small(tmp_path / folder, table, **changes)
        again = split_small(
            tmp_path / folder, run="again", expected_reference=first.reference.sha256, **changes
        )
        carried = [pq.read_table(file.path)["carried"].to_pylist() for file in (again.train, again.reference)]
        assert pq.read_table(again.train.path).column_names == table.column_names
        manifests[folder] = (carried, first.fates, again.fates)
    assert manifests["odd"] == manifests["plain"]


def test_a_violation_names_column_value_and_what_is_near(tmp_path: Path) -> None:
    """A person sees at once what to correct, whatever the column is called."""
    places = ["Amsterdam", "Amstrdam", "Paris", None, "Amsterdam", "paris"]
    table = pa.table({PATTERNS[name]: values for name, values in {**SMALL_ROWS, "place": places}.items()})
    rules = {"place": {"allowed_values": ["Amsterdam", "Paris"]}, "size": {"max": 4.5}}
    contract = contract_of(PATTERNS, **rules)
    error = refusal(
        lambda: split_small(tmp_path, table, contract=contract, split=split_of(PATTERNS, "temporal")),
        "data_contract",
    )
    found = {row["column"]: row for row in error.facts["violations"]}
    assert found["*"]["found_values"] == ["Amstrdam", "paris"]
    assert (found["*"]["nearest"], found["*"]["sample_keys"]) == ("Amsterdam", ["b", "f"])
    assert found["^size$"]["found_values"] == [5.0, 6.0]
    assert "*: allowed_values (2), found 'Amstrdam', 'paris'" in error.message
    assert "nearest 'Amsterdam'" in error.message
    assert json.dumps(dict(error.facts))


def test_nearest_numbers_are_told_too(tmp_path: Path) -> None:
    table = pa.table({**SMALL_ROWS, "year": [2010, 2013, 2011, 20100, 2012, 2009]})
    names = {name: name for name in SMALL_ROWS}
    contract = contract_of(names, year={"allowed_values": [2009, 2010, 2011, 2012, 2013]})
    error = refusal(lambda: split_small(tmp_path, table, contract=contract), "data_contract")
    (violation,) = error.facts["violations"]
    assert (violation["found_values"], violation["nearest"]) == ([20100], 2013)


KEYS = {
    "unsigned": pa.array([2**63 + number for number in range(5)] + [2**64 - 1], pa.uint64()),
    "floating": pa.array([1e19 + 4096.0 * number for number in range(6)], pa.float64()),
    "negative": pa.array([-(2**63) + number for number in range(6)], pa.int64()),
}


@pytest.mark.parametrize("limits", [DatasetLimits(), STREAMED], ids=["memory", "streamed"])
@pytest.mark.parametrize("strategy", ["geographic", "hash", "temporal"])
@pytest.mark.parametrize("kind", [*KEYS])
def test_whole_keys_of_any_size_are_told_apart(
    tmp_path: Path, kind: str, strategy: str, limits: DatasetLimits
) -> None:
    """A second run finds the reference's own rows, and none of them in train."""
    names = {name: name for name in SMALL_ROWS}
    table = pa.table({**SMALL_ROWS, "key": KEYS[kind]})
    changes: dict[str, Any] = {
        "contract": contract_of(names, key={"type": "int"}),
        "split": split_of(names, strategy),
        "limits": limits,
    }
    first = split_small(tmp_path, table, **changes)
    again = split_small(tmp_path, run="again", expected_reference=first.reference.sha256, **changes)
    assert (again.train.sha256, again.fates) == (first.train.sha256, first.fates)
    assert again.fates is not None
    assert again.fates.reference == again.reference.rows


def test_the_same_keys_stored_in_other_types_are_the_same(tmp_path: Path) -> None:
    """A pipeline that writes floats where whole numbers were, or drops the sign, changes no key."""
    names = {name: name for name in SMALL_ROWS}
    contract = contract_of(names, key={"type": "int"})
    stored = [pa.int64(), pa.float64(), pa.uint64(), pa.int8()]
    keys = [1, 2, 3, 4, 5, 6]
    first = split_small(
        tmp_path, pa.table({**SMALL_ROWS, "key": pa.array(keys, stored[0])}), contract=contract
    )
    for kind in stored[1:]:
        table = pa.table({**SMALL_ROWS, "key": pa.array(keys, kind)})
        again = split_small(
            tmp_path, table, contract=contract, run=str(kind), expected_reference=first.reference.sha256
        )
        assert again.fates == first.fates
        assert again.train.rows == len(keys_of(again.train)) == len(rows_of(first.train.path))


def test_a_whole_number_that_no_integer_holds_breaks_the_contract(tmp_path: Path) -> None:
    """It would become a null, and nulls are alike."""
    names = {name: name for name in SMALL_ROWS}
    keys = pa.array([1.0, 2.0, 3.0, 4.0, 1e300, 2e300])
    table = pa.table({**SMALL_ROWS, "key": keys})
    error = refusal(
        lambda: split_small(tmp_path, table, contract=contract_of(names, key={"type": "int"})),
        "data_contract",
    )
    assert [(row["column"], row["rule"], row["count"]) for row in error.facts["violations"]] == [
        ("key", "integer", 2)
    ]
    assert small_job(tmp_path).master.exists()
