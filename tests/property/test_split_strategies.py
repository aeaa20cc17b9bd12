"""Each split rule lands on disk as a straight description of it says."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.datasets import DatasetLimits
from domain.split_rule import REFERENCE, TRAIN, C, Rows, SplitRule
from domain.split_rules import SPLIT_RULES, HashSplit, TemporalSplit
from service.adapters.files.atomic import AtomicFiles, Draft
from service.adapters.polars.frames import open_dataset
from service.adapters.polars.row_groups import PartWriter
from service.adapters.polars.splitting import Plan, Planner, fates_of, in_order, made_reference
from tests.straight.straight_split import straight_fates, straight_split

PLACES = ["north", "Süd", "NO", "", "南"]
STREAMED = DatasetLimits(in_memory_cells=0)
BASE = {"version": 1, "data_contract": 1}

durations = st.lists(st.integers(1, 12), max_size=3, unique=True).map(lambda found: {"durations": found})
periods = st.tuples(st.integers(2000, 2012), st.integers(0, 6)).map(
    lambda p: {"min": p[0], "max": p[0] + p[1]}
)

geographic = st.fixed_dictionaries(
    {
        "split_strategy": st.just("geographic"),
        "geographic_column": st.just("place"),
        "periodic_column": st.just("year"),
        "test_localities": st.lists(st.sampled_from(PLACES), min_size=1, max_size=3, unique=True),
        "reference_test_period": periods,
        "moving_test_period": durations,
    }
)
hashed = st.fixed_dictionaries(
    {
        "split_strategy": st.just("hash"),
        "key_columns": st.sampled_from([["key"], ["number"], ["key", "number"], ["number", "key"]]),
        "salt": st.text(max_size=5),
        "test_fraction": st.sampled_from([0.1, 0.25, 0.5, 0.9]),
        "periodic_column": st.just("year"),
        "moving_test_period": durations,
    },
    optional={"reference_test_period": periods},
)
temporal = st.fixed_dictionaries(
    {
        "split_strategy": st.just("temporal"),
        "periodic_column": st.just("year"),
        "reference_test_period": st.one_of(
            periods, st.integers(2000, 2014).map(lambda first: {"min": first})
        ),
        "moving_test_period": durations,
    }
)
learning_on = st.fixed_dictionaries(
    {
        "split_strategy": st.just("temporal"),
        "periodic_column": st.just("year"),
        "reference_test_period": periods,
        "rows_after": st.just("train"),
    }
)
rules = st.one_of(geographic, hashed, temporal, learning_on).map(lambda found: {**BASE, **found})


@st.composite
def masters(draw: st.DrawFn, least: int = 0) -> pa.Table:
    """A few rows with nulls of every kind; periods as integers, floats, or nothing but nulls."""
    row = st.tuples(st.text(max_size=4), st.integers(-5, 10**12))
    rows = draw(st.lists(row, min_size=least, max_size=30))
    size = len(rows)
    place = st.sampled_from([*PLACES, None])
    year = st.one_of(st.none(), st.integers(1998, 2016))
    kind = draw(st.sampled_from([pa.int16(), pa.int64(), pa.float64(), pa.null()]))
    years: list[float | None] = list(draw(st.lists(year, min_size=size, max_size=size)))
    if kind == pa.float64():
        years = [
            draw(st.sampled_from([None, float("nan")])) if year is None else float(year) for year in years
        ]
    if kind == pa.null():
        years = [None] * size
    places = pa.array(draw(st.lists(place, min_size=size, max_size=size)), pa.string())
    return pa.table(
        {
            "key": pa.array([key for key, _ in rows], pa.string()),
            "number": pa.array([number for _, number in rows], pa.int64()),
            "place": places.dictionary_encode() if draw(st.booleans()) else places,
            "year": pa.array(years, kind),
            "carried": pa.array(range(size), pa.uint32()),
        }
    )


def on_disk(folder: Path, found: SplitRule, limits: DatasetLimits) -> dict[str, bytes]:
    """Write every part, the empty ones too; return their bytes."""
    return written(folder, found, limits)[1]


def written(folder: Path, found: SplitRule, limits: DatasetLimits) -> tuple[Plan, dict[str, bytes]]:
    """Write every part; say where each row went, and return their bytes."""
    paths = {name: folder / f"{name}.parquet" for name in (TRAIN, REFERENCE, *dict(found.moving_tests))}
    with ExitStack() as stack:
        drafts = {name: stack.enter_context(AtomicFiles().draft(path)) for name, path in paths.items()}
        plan = planned(folder, found, limits, drafts)
        for draft in drafts.values():
            draft.replace()
    return plan, {name: path.read_bytes() for name, path in paths.items()}


def planned(
    folder: Path, found: SplitRule, limits: DatasetLimits, drafts: Mapping[str, Draft] = MappingProxyType({})
) -> Plan:
    """Where each row of the folder's master goes."""
    dataset = open_dataset(folder / "master.parquet", limits)
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(PartWriter(draft, dataset.schema)) for name, draft in drafts.items()
        }
        planner = Planner(dataset, found, writers=writers)
        for batch in dataset.batches(in_order(planner.columns, dataset)):
            planner.take(planner.look(planner.prepared(batch)))
        planner.finish()
        return planner.plan()


@settings(max_examples=settings().max_examples // 2)
@given(master=masters(), content=rules, group=st.integers(1, 40))
def test_straight_description_and_files_agree(master: pa.Table, content: dict[str, Any], group: int) -> None:
    """Row by row and column by column, with the master's order; from memory and streamed, byte for byte."""
    found = SPLIT_RULES.validate_python(content)
    expected = straight_split(master.to_pandas(), content)
    with TemporaryDirectory() as name:
        folder = Path(name)
        pq.write_table(master, folder / "master.parquet")
        plan, files = written(folder, found, DatasetLimits())
        fates = fates_of(plan.counts, made_reference(plan.counts)).by_name
        assert fates == straight_fates(master.to_pandas(), content)
        carried = {part: pq.read_table(folder / f"{part}.parquet")["carried"].to_pylist() for part in files}
        assert carried == expected
        assert pq.read_table(folder / "train.parquet").column_names == master.column_names
        pq.write_table(master, folder / "master.parquet", row_group_size=group)
        streamed, same = written(folder, found, STREAMED)
        assert (same, streamed.counts) == (files, plan.counts)


@settings(max_examples=settings().max_examples // 2)
@given(master=masters(), content=hashed.map(lambda found: {**BASE, **found}), cut=st.integers(0, 30))
def test_a_row_never_changes_sides_as_the_master_grows(
    master: pa.Table, content: dict[str, Any], cut: int
) -> None:
    """The hash split of the first rows is the beginning of the split of all rows."""
    found = SPLIT_RULES.validate_python(content)
    with TemporaryDirectory() as name:
        folder = Path(name)
        trains = []
        for table in (master.slice(0, cut), master):
            pq.write_table(table, folder / "master.parquet")
            on_disk(folder, found, DatasetLimits())
            trains.append(pq.read_table(folder / "train.parquet")["carried"].to_pylist())
    assert trains[0] == [row for row in trains[1] if row < cut]


@given(position=st.integers(0, 2**64 - 1), less=st.integers(1, 500), more=st.integers(0, 499))
def test_a_larger_test_fraction_only_takes_from_train(position: int, less: int, more: int) -> None:
    """Raising the fraction never gives a test row back to train."""
    small, large = less / 1000, (less + more) / 1000
    trains = [
        position
        >= HashSplit(
            version=1, data_contract=1, split_strategy="hash", key_columns=("k",), test_fraction=fraction
        ).threshold
        for fraction in (small, large)
    ]
    assert trains[0] or not trains[1]


@pytest.mark.parametrize(
    "content",
    [
        {
            "split_strategy": "geographic",
            "geographic_column": "place",
            "periodic_column": "year",
            "test_localities": ["north"],
            "reference_test_period": {"min": 2005, "max": 2010},
        },
        {
            "split_strategy": "temporal",
            "periodic_column": "year",
            "reference_test_period": {"min": 2005, "max": 2010},
        },
        {
            "split_strategy": "temporal",
            "periodic_column": "year",
            "reference_test_period": {"min": 2005, "max": 2010},
            "rows_after": "train",
        },
        {
            "split_strategy": "hash",
            "key_columns": ["key"],
            "test_fraction": 0.5,
            "periodic_column": "year",
            "reference_test_period": {"min": 2005, "max": 2010},
        },
    ],
)
@settings(max_examples=settings().max_examples // 4)
@given(master=masters(), later=st.lists(st.integers(2011, 2030), min_size=1, max_size=5))
def test_rows_of_later_periods_leave_the_reference_as_it_is(
    content: dict[str, Any], master: pa.Table, later: list[int]
) -> None:
    """So a reference that was deleted can be made again from a grown master, byte for byte."""
    found = SPLIT_RULES.validate_python({**BASE, **content})
    count = len(later)
    master = master.set_column(3, "year", master["year"].cast(pa.float64()))
    grown = pa.table(
        {
            "key": [f"later {place}" for place in range(count)],
            "number": range(count),
            "place": pa.array(["north"] * count, master.schema.field("place").type),
            "year": pa.array(later, pa.float64()),
            "carried": pa.array(range(count), pa.uint32()),
        }
    )
    with TemporaryDirectory() as name:
        folder = Path(name)
        references = []
        for table in (master, pa.concat_tables([master, grown.cast(master.schema)])):
            pq.write_table(table, folder / "master.parquet")
            references.append(on_disk(folder, found, DatasetLimits())["reference"])
    assert references[0] == references[1]


def test_the_temporal_rule_trains_on_nothing_of_unknown_time(tmp_path: Path) -> None:
    """A row without a period could come from after the test."""
    found = TemporalSplit.model_validate(
        {
            **BASE,
            "split_strategy": "temporal",
            "periodic_column": "year",
            "reference_test_period": {"min": 2005},
            "moving_test_period": {"durations": [1]},
        }
    )
    pq.write_table(pa.table({"year": [None, 2004, 2010]}), tmp_path / "master.parquet")
    assert planned(tmp_path, found, DatasetLimits()).rows == {
        "train": 1,
        "reference": 1,
        "recent_1_year": 1,
    }


class WholeYears(SplitRule):
    """A strategy that is not ours: the years that end in 0 are held back, the others train."""

    periodic_column: str = "year"

    @property
    def reference_columns(self) -> tuple[str, ...]:
        return (self.periodic_column,)

    def parts(self, rows: Rows[C]) -> Iterator[tuple[str, C]]:
        decades = rows.between(2000, 2000) | rows.between(2010, 2010)
        yield "train", ~decades
        yield "reference", decades
        yield from self._tests(rows, decades)


def test_a_new_strategy_is_a_class_and_the_engine_learns_nothing(tmp_path: Path) -> None:
    rule = WholeYears.model_validate({**BASE, "moving_test_period": {"durations": [5]}})
    pq.write_table(
        pa.table({"year": [2000, 2001, None, 2010], "carried": range(4)}), tmp_path / "master.parquet"
    )
    on_disk(tmp_path, rule, DatasetLimits())
    parts = {path.stem: pq.read_table(path)["carried"].to_pylist() for path in tmp_path.glob("*.parquet")}
    assert parts == {"master": [0, 1, 2, 3], "train": [1, 2], "reference": [0, 3], "recent_5_year": [3]}
