"""The contract check counts every violation, and says where some of them are."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.data_contract import DataContract
from domain.datasets import DatasetLimits
from domain.errors import NeverRetry
from domain.split_rules import SPLIT_RULES
from service.adapters.files.scratch import Scratch
from service.adapters.polars import repeats
from service.adapters.polars.contract_check import Observation, observe
from service.adapters.polars.frames import open_dataset
from service.adapters.polars.survey import MasterSurvey
from tests.worlds.split_jobs import SMALL_CONTRACT, config_of, small_table
from tests.worlds.synthetic import write_master

INF, NAN = float("inf"), float("nan")


def check(
    folder: Path, table: pa.Table, contract: dict[str, Any], limits: DatasetLimits | None = None
) -> Observation:
    path = folder / "master.parquet"
    pq.write_table(table, path)
    return observe(open_dataset(path, limits or DatasetLimits()), DataContract.model_validate(contract))


def with_rule(column: str, **rule: Any) -> dict[str, Any]:
    columns = {**SMALL_CONTRACT["columns"], column: {**SMALL_CONTRACT["columns"].get(column, {}), **rule}}
    return {**SMALL_CONTRACT, "columns": columns}


def found(observation: Observation) -> list[tuple[object, object, object]]:
    return [(row["column"], row["rule"], row["count"]) for row in observation.violations]


@pytest.mark.parametrize(
    "limits", [DatasetLimits(), DatasetLimits(in_memory_cells=0)], ids=["memory", "streamed"]
)
@pytest.mark.parametrize(
    ("column", "values", "rule", "expected", "keys"),
    [
        ("place", ["x", None, None, "x", "x", None], {"non_nullable": True}, ("non_nullable", 3), "bcf"),
        ("size", [1.0, NAN, None, 1.0, 1.0, 1.0], {"non_nullable": True}, ("non_nullable", 2), "bc"),
        ("size", [1.0, NAN, None, INF, -INF, 2.0], {}, ("finite", 2), "de"),
        ("size", [1.0, NAN, None, 0.5, 3.0, 3.1], {"min": 1}, ("min", 1), "d"),
        ("size", [1.0, NAN, None, 0.5, 3.0, 3.1], {"max": 3.0}, ("max", 1), "f"),
        ("year", [1, None, 3, 0, -4, 9], {"min": 1}, ("min", 2), "de"),
        ("year", pa.array([1, None, 3, 0, 4, 9], pa.uint8()), {"min": -1, "max": 4}, ("max", 1), "f"),
        ("year", [1.0, NAN, 2.0, 2.5, None, 3.0], {"type": "int"}, ("integer", 1), "d"),
        ("year", [1, None, 3, 4, 5, 6], {"allowed_values": [1, 3, 300]}, ("allowed_values", 3), "def"),
        ("year", [1.0, None, NAN, 4.0, 3.0, 3.0], {"allowed_values": [1, 3]}, ("allowed_values", 1), "d"),
        ("size", [1, None, 2, 3, 2, 2], {"allowed_values": [1.0, 2.0]}, ("allowed_values", 1), "d"),
        ("place", ["x", None, "y", "x", "", "X"], {"allowed_values": ["x", ""]}, ("allowed_values", 2), "cf"),
        ("place", pa.array(["x", None, "y", "x", "x", "y"]).dictionary_encode(), {"allowed_values": ["x"]},
         ("allowed_values", 2), "cf"),
        ("place", ["ab1", None, "ab", "ab12", "xab1", "ab1\n"], {"format": "ab\\d"}, ("format", 4), "cdef"),
        ("place", ["aa", None, "ab", "bb", "aab", "cc"], {"format": "(.)\\1"}, ("format", 2), "ce"),
        ("place", ["a|b", None, "a", "b", "ab", "b"], {"format": "a|b"}, ("format", 2), "ae"),
        ("price", [1.0, None, 1.0, 1.0, 1.0, NAN], {}, ("non_nullable", 2), "bf"),
    ],
)  # fmt: skip
def test_each_rule_counts_its_violations_and_names_keys(
    tmp_path: Path,
    limits: DatasetLimits,
    column: str,
    values: Any,
    rule: dict[str, Any],
    expected: tuple[str, int],
    keys: str,
) -> None:
    """Nulls of either kind pass every rule but non_nullable; the target is never null."""
    observation = check(tmp_path, small_table(**{column: values}), with_rule(column, **rule), limits)
    assert found(observation) == [(column, *expected)]
    assert observation.violations[0]["sample_keys"] == list(keys)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (small_table(size=None), ("size", "column_missing", 6)),
        (small_table(size=None, Size=[1.0] * 6), ("size", "column_missing", 6)),
        (small_table(size=["1"] * 6), ("size", "type", 6)),
        (small_table(size=[True] * 6), ("size", "type", 6)),
        (small_table(place=[1] * 6), ("place", "type", 6)),
        (small_table(year=[date(2010, 1, 1)] * 6), ("year", "type", 6)),
        (small_table(price=pa.nulls(6)), ("price", "non_nullable", 6)),
        (small_table(key=["a", "b", "b", "b", "c", "c"]), ("key", "primary_key", 3)),
        (small_table(key=["a", None, "c", "d", "e", "f"]), ("key", "non_nullable", 1)),
    ],
)
def test_columns_that_are_missing_retyped_or_not_a_key_are_named(
    tmp_path: Path, table: pa.Table, expected: tuple[str, str, int]
) -> None:
    """What stands in the place of a column does not matter; other rules go on being checked."""
    assert found(check(tmp_path, table, dict(SMALL_CONTRACT))) == [expected]


def test_all_faults_are_found_at_once(tmp_path: Path) -> None:
    """A person mends the data once, not once per fault."""
    table = small_table(size=None, year=["?"] * 6, price=[INF, None, 1.0, 1.0, 1.0, 1.0], key=["a"] * 6)
    assert found(check(tmp_path, table, dict(SMALL_CONTRACT))) == [
        ("year", "type", 6),
        ("size", "column_missing", 6),
        ("price", "non_nullable", 1),
        ("price", "finite", 1),
        ("key", "primary_key", 5),
    ]


def test_columns_of_nothing_but_nulls_and_unnamed_columns_pass(tmp_path: Path) -> None:
    """A null passes every rule; what the contract does not name is not its business."""
    table = small_table(size=pa.nulls(6), place=[None] * 6, when=[date(2010, 1, 1)] * 6)
    assert check(tmp_path, table, with_rule("size", min=1)).violations == []


def test_the_synthetic_world_keeps_its_contract(tmp_path: Path) -> None:
    """Every type and every null that the world has is one that the contract allows."""
    write_master(tmp_path / "master.parquet")
    dataset = open_dataset(tmp_path / "master.parquet", DatasetLimits())
    assert observe(dataset, DataContract.model_validate(config_of("data_contracts/v1.yaml"))).violations == []


def test_deduplication_counts_rows_that_should_have_been_one(tmp_path: Path) -> None:
    """As pandas drops duplicates: a null equals a null."""
    table = small_table(place=["x", "x", None, None, "y", "x"], year=[1, 1, None, None, 1, 2])
    contract = {**SMALL_CONTRACT, "deduplication": {"subset": ["place", "year"], "keep": "first"}}
    violation = check(tmp_path, table, contract).violations[0]
    assert (violation["column"], violation["rule"], violation["count"]) == ("place, year", "deduplication", 2)
    assert violation["sample_keys"] == [{"place": "x", "year": 1}, {"place": None, "year": None}]


def test_repeats_are_found_among_spilled_hashes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of many rows is looked at in parts of the hashes' range, none of which is left out."""
    monkeypatch.setattr(repeats, "HELD", 7)
    keys = [f"k{place % 95}" for place in range(100)]
    table = pa.table(
        {
            **{name: small_table()[name].take([0] * 100) for name in ("place", "year", "size", "price")},
            "key": keys,
        }
    )
    pq.write_table(table, tmp_path / "master.parquet")
    dataset = open_dataset(tmp_path / "master.parquet", DatasetLimits(in_memory_cells=0))
    with Scratch(tmp_path / "run") as scratch:
        observation = observe(dataset, DataContract.model_validate(SMALL_CONTRACT), scratch)
    assert found(observation) == [("key", "primary_key", 5)]


@pytest.mark.parametrize("years", [pa.int16(), pa.float64()])
def test_a_key_that_the_split_hashes_is_found_by_its_position(tmp_path: Path, years: pa.DataType) -> None:
    """Whatever the order of its columns; a key that has no position is looked at by value."""
    keys = {"place": ["x", "x", None, "y", None, "x"], "year": pa.array([1, 1, 2, 1, 2, None], years)}
    table = small_table(**keys)
    contract = {**SMALL_CONTRACT, "primary_key": ["year", "place"]}
    rules = {"version": 1, "data_contract": 1, "split_strategy": "hash", "key_columns": ["place", "year"]}
    seen = check(tmp_path, table, contract)
    survey = MasterSurvey(
        open_dataset(tmp_path / "master.parquet", DatasetLimits()),
        DataContract.model_validate(contract),
        SPLIT_RULES.validate_python({**rules, "test_fraction": 0.5}),
    )
    assert found(survey.observation) == found(seen)
    assert ("year, place", "primary_key", 2) in found(seen)
    assert survey.observation.statistics == seen.statistics


@pytest.mark.parametrize("as_stored", [pa.array, lambda values: pa.array(values).dictionary_encode()])
def test_a_format_is_counted_in_rows_however_few_values_there_are(
    tmp_path: Path, as_stored: Callable[[list[str | None]], pa.Array]
) -> None:
    """Each value is matched once, and counts as often as it occurs; a null keeps every format."""
    table = small_table(place=as_stored(["a1", "b", None, "b", "b", None]))
    repeated = pa.concat_tables([table] * 500)
    contract = with_rule("place", format="[a-z][0-9]")
    assert ("place", "format", 1500) in found(check(tmp_path, repeated, contract))
    assert ("place", "format", 3) in found(check(tmp_path, table, contract))


def test_a_key_of_several_columns_is_shown_as_a_map(tmp_path: Path) -> None:
    """Long texts are cut: a key is shown to be found, not to fill an event."""
    contract = {**with_rule("size", min=100), "primary_key": ["place", "key"]}
    violation = check(tmp_path, small_table(place=["p" * 300] * 6), contract).violations[0]
    keys = violation["sample_keys"]
    assert isinstance(keys, list)
    assert keys[0] == {"place": "p" * 200, "key": "a"}


def test_two_columns_of_one_name_are_a_violation(tmp_path: Path) -> None:
    """Nobody can say which of the two is meant."""
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["key", "key"])
    pq.write_table(table, tmp_path / "master.parquet")
    with pytest.raises(NeverRetry) as caught:
        open_dataset(tmp_path / "master.parquet", DatasetLimits())
    assert caught.value.reason == "data_contract"
    assert caught.value.facts["violations"][0]["rule"] == "duplicate_column"


def test_statistics_describe_the_contract_columns_in_json(tmp_path: Path) -> None:
    """No NaN and no infinity: neither JSON nor MLflow knows them."""
    statistics = check(
        tmp_path, small_table(size=[1.0, NAN, None, 2.0, 3.0, INF]), dict(SMALL_CONTRACT)
    ).statistics
    assert statistics["size"] == {"nulls": 2, "min": 1.0, "type": "float"}
    assert statistics["price"]["mean"] == 35.0
    assert statistics["place"] == {"nulls": 1, "type": "string"}
