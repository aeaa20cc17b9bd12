"""Every row of a master has one fate, as pandas counts them, while masters change beside a reference."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.datasets import DatasetLimits, SplitParts
from domain.errors import NeverRetry
from tests.straight.straight_split import straight_fates
from tests.worlds.split_jobs import SMALL_CONTRACT, split_small

BASE = {"version": 1, "data_contract": 1, "periodic_column": "year"}
RULES: Mapping[str, Mapping[str, Any]] = {
    "geographic": {
        "split_strategy": "geographic",
        "geographic_column": "place",
        "test_localities": ["north"],
        "reference_test_period": {"min": 2005, "max": 2010},
        "moving_test_period": {"durations": [3, 1]},
    },
    "hash": {
        "split_strategy": "hash",
        "key_columns": ["key"],
        "test_fraction": 0.5,
        "reference_test_period": {"min": 2005, "max": 2010},
        "moving_test_period": {"durations": [2]},
    },
    "temporal": {
        "split_strategy": "temporal",
        "reference_test_period": {"min": 2008, "max": 2012},
        "moving_test_period": {"durations": [2]},
    },
}
# Keys of each type that a contract's own may be stored as, some of them where a narrower type has no room.
KEYS: Mapping[str, tuple[str, pa.DataType]] = {
    "text": ("string", pa.string()),
    "small": ("int", pa.int16()),
    "unsigned": ("int", pa.uint64()),
    "floating": ("int", pa.float64()),
}
# One that trains and one that judges, by two of the rules; the third rule asks nothing but the key.
ALWAYS: list[tuple[Any, ...]] = [("south", 2001, True), ("north", 2009, True)]
rows = st.tuples(
    st.sampled_from(["north", "north", "south", None]),
    st.one_of(st.none(), st.integers(2003, 2014)),
    st.booleans(),
)


def key(kind: str, number: int) -> Any:
    """The key of a row: beyond 2⁶³ where the type goes so far."""
    made = {
        "text": f"row {number}",
        "small": number,
        "unsigned": 2**63 + number,
        "floating": 1e19 + 2**12 * number,
    }
    return made[kind]


def table(kind: str, numbered: list[tuple[int, tuple[Any, ...]]]) -> pa.Table:
    """Rows with the keys of their numbers."""
    return pa.table(
        {
            "key": pa.array([key(kind, number) for number, _ in numbered], KEYS[kind][1]),
            "place": pa.array([place for _, (place, _, _) in numbered], pa.string()),
            "year": pa.array([year for _, (_, year, _) in numbered], pa.int64()),
            "size": [float(number) for number, _ in numbered],
            "price": [float(number + 1) for number, _ in numbered],
        }
    )


@settings(max_examples=15, deadline=None)
@given(
    all_rows=st.lists(rows, min_size=12, max_size=40),
    first=st.integers(6, 20),
    strategy=st.sampled_from([*RULES]),
    kind=st.sampled_from([*KEYS]),
)
def test_the_fates_of_a_grown_master_are_those_that_pandas_counts(
    all_rows: list[tuple[Any, ...]], first: int, strategy: str, kind: str
) -> None:
    """Some rows came late, some have gone; the reference stays, and no row is lost or counted twice."""
    rules = {**BASE, **RULES[strategy]}
    columns = {**SMALL_CONTRACT["columns"], "key": {"type": KEYS[kind][0]}}
    contract = {**SMALL_CONTRACT, "columns": columns}
    numbered = list(enumerate([*ALWAYS, *all_rows]))
    later = [(number, row) for number, row in numbered if number >= first or row[2]]
    with TemporaryDirectory() as name:
        folder = Path(name)

        def split(found: pa.Table, run: str, **more: Any) -> SplitParts | None:
            try:
                return split_small(folder, found, split=rules, contract=contract, run=run, **more)
            except NeverRetry:
                return None

        if (made := split(table(kind, numbered[:first]), "first")) is None:
            return
        judging = set(pq.read_table(made.reference.path)["key"].to_pylist())
        for limits in (DatasetLimits(), DatasetLimits(in_memory_cells=0)):
            master = table(kind, later)
            grown = split(master, "second", limits=limits, expected_reference=made.reference.sha256)
            if grown is not None:
                assert grown.fates is not None
                found = grown.fates.by_name
                assert found == straight_fates(master.to_pandas(), rules, judging)
                assert sum(found.values()) == master.num_rows
                assert made.reference.rows - found["reference"] == _gone(judging, master)


def _gone(judging: set[Any], master: pa.Table) -> int:
    return len(judging - set(master["key"].to_pylist()))
