"""The split step: what it leaves, what it refuses, and that it may be repeated."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.datasets import DatasetLimits, SplitParts, manifest_of
from domain.errors import NeverRetry
from service.adapters.files.atomic import AtomicFiles, sha256_of
from service.adapters.files.operations import FileOperations
from service.lifecycle.steps.jobs import SplitJob
from service.lifecycle.steps.split_job import run_split, split
from service.processes.wire import pack, unpack_plain
from tests.straight.straight_split import straight_split
from tests.worlds.split_jobs import (
    SMALL_SPLIT,
    config_of,
    files_of,
    keys_of,
    rows_of,
    small_job,
    small_table,
    split_small,
    synthetic_job,
)


def refusal(act: Callable[[], Any], reason: str) -> NeverRetry:
    with pytest.raises(NeverRetry) as caught:
        act()
    assert caught.value.reason == reason
    return caught.value


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize(
    "limits", [DatasetLimits(), DatasetLimits(in_memory_cells=0)], ids=["memory", "streamed"]
)
def test_every_value_of_every_type_lands_where_the_straight_rules_say(
    tmp_path: Path, version: int, limits: DatasetLimits
) -> None:
    """All columns, dates, lists and nulls of every kind, in the master's order."""
    job = synthetic_job(tmp_path, version, limits=limits)
    parts = run_split(job)
    master = rows_of(job.master)
    expected = straight_split(pq.read_table(job.master).to_pandas(), config_of(f"splits/v{version}.yaml"))
    assert set(files_of(parts)) == set(expected)
    for name, file in files_of(parts).items():
        assert rows_of(file.path) == [master[place] for place in expected[name]]
        assert file.rows == len(expected[name])
        assert file.sha256 == sha256_of(Path(file.path))
        assert file.bytes == Path(file.path).stat().st_size


@pytest.mark.parametrize("version", [1, 2, 3])
def test_the_same_rows_make_the_same_bytes_whatever_the_row_groups(tmp_path: Path, version: int) -> None:
    """On any worker, from any layout of the master, however often."""
    manifests = []
    for place, size in enumerate((1, 37, 600)):
        job = synthetic_job(tmp_path / str(place), version, row_group_size=size)
        manifests += [manifest_of(run_split(job)), manifest_of(run_split(job))]
    assert len({json.dumps({**found, "master": ""}) for found in manifests}) == 1


def test_job_and_parts_cross_as_they_are_and_the_parts_are_plain_json(tmp_path: Path) -> None:
    """What a child process is asked, and what the run's row holds."""
    job = small_job(tmp_path)
    crossed: SplitJob = pickle.loads(pack(job))  # noqa: S301 - our own bytes
    parts: SplitParts = unpack_plain(pack(split(crossed)))
    assert SplitParts.model_validate(json.loads(json.dumps(parts.model_dump(mode="json")))) == parts
    assert keys_of(parts.train) == ["c", "d", "f"]
    assert keys_of(parts.reference) == ["a", "e"]
    assert {name: keys_of(file) for name, file in parts.optional_tests.items()} == {"recent_1_year": ["b"]}
    assert parts.reference_created
    assert parts.statistics["rows"] == 6
    assert parts.contract_report == {"contract": 1, "rows": 6, "violations": []}


def test_the_bytes_that_were_split_stay_with_the_run(tmp_path: Path) -> None:
    """What is hashed, counted and versioned as the master is what was split, whatever it becomes later."""
    job = small_job(tmp_path, small_table())
    before = job.master.read_bytes()
    parts = run_split(job)
    job.master.write_bytes(b"something else")
    assert Path(parts.master.path).read_bytes() == before
    assert parts.master.sha256 == sha256_of(Path(parts.master.path))


def test_a_contract_violation_ends_the_run_with_the_whole_report(tmp_path: Path) -> None:
    """Counts and keys travel in the failure; nothing is left behind."""
    table = small_table(price=[1.0, None, 3.0, None, 5.0, 6.0], size=["x"] * 6)
    error = refusal(lambda: split_small(tmp_path, table), "data_contract")
    assert [(row["column"], row["rule"], row["count"]) for row in error.facts["violations"]] == [
        ("size", "type", 6),
        ("price", "non_nullable", 2),
    ]
    assert error.facts["violations"][1]["sample_keys"] == ["b", "d"]
    assert json.dumps(dict(error.facts))
    assert not (tmp_path / "run").exists() or not list((tmp_path / "run").rglob("*.*"))


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (small_table().slice(0, 0), "empty_train"),
        (small_table().slice(0, 1), "empty_train"),
        (small_table().slice(2, 1), "empty_reference"),
        (small_table(place=["north"] * 6), "empty_train"),
        (small_table(year=[2000] * 6), "empty_reference"),
        (small_table(year=[None] * 6), "empty_reference"),
    ],
)
def test_an_empty_train_or_first_reference_is_refused(tmp_path: Path, table: pa.Table, reason: str) -> None:
    """And nothing of it is left."""
    refusal(lambda: split_small(tmp_path, table), reason)
    assert not list((tmp_path / "reference").rglob("*.*"))


def test_constant_and_negative_targets_are_not_refused(tmp_path: Path) -> None:
    """The contract of these rows does not forbid them."""
    assert split_small(tmp_path, small_table(price=[-1.0] * 6)).train.rows == 3


def test_an_empty_moving_test_is_skipped_with_a_warning(tmp_path: Path) -> None:
    """Also one that is longer than all of history is no error."""
    split = {**SMALL_SPLIT, "test_localities": ["south"], "reference_test_period": {"min": 2009, "max": 2011}}
    parts = split_small(tmp_path, split={**split, "moving_test_period": {"durations": [1, 3, 900]}})
    assert {name: keys_of(file) for name, file in parts.optional_tests.items()} == {
        "recent_3_year": ["c"],
        "recent_900_year": ["c", "f"],
    }
    assert parts.warnings[0] == "optional test recent_1_year is skipped: no row is that recent"
    assert codes_of(parts) == ["moving_test_empty", "small_reference"]


def test_a_test_that_left_the_rules_is_not_evaluated_again(tmp_path: Path) -> None:
    """The second split of a run leaves only the tests of its own rules."""
    assert split_small(tmp_path).optional_tests
    parts = split_small(tmp_path, split={**SMALL_SPLIT, "moving_test_period": None})
    assert parts.optional_tests == {}
    assert [path.name for path in (tmp_path / "run" / "split").rglob("*.parquet")] == ["train.parquet"]


def test_rows_of_unknown_time_are_reported_by_the_temporal_rule(tmp_path: Path) -> None:
    """They are not used, which nobody should have to find out."""
    rules = {
        "version": 1,
        "data_contract": 1,
        "split_strategy": "temporal",
        "periodic_column": "year",
        "reference_test_period": {"min": 2012},
    }
    parts = split_small(tmp_path, small_table(year=[2010, None, 2011, 2012, 2012, None]), split=rules)
    assert "not used: 2 rows without year" in parts.warnings
    assert parts.fates is not None
    assert parts.fates.unused["no_period"] == 2


def codes_of(parts: SplitParts) -> list[str]:
    """The codes of a split's warnings, which are its sentences too."""
    assert parts.warnings == tuple(warning.message for warning in parts.told_warnings)
    return [warning.code for warning in parts.told_warnings]


def many(count: int) -> pa.Table:
    """As many rows, every second of them held back."""
    place = [("north", "south")[number % 2] for number in range(count)]
    numbers = [float(number) for number in range(count)]
    keys = [f"key {number}" for number in range(count)]
    return small_table(key=keys, place=place, year=[2010] * count, size=numbers, price=numbers)


def test_a_small_reference_is_warned_of(tmp_path: Path) -> None:
    """Fewer than 30 rows judge by luck; 30 do not."""
    split = {**SMALL_SPLIT, "moving_test_period": None}
    assert codes_of(split_small(tmp_path / "29", many(58), split=split)) == ["small_reference"]
    assert codes_of(split_small(tmp_path / "30", many(60), split=split)) == []


@pytest.mark.parametrize(
    ("named", "there", "meant"),
    [
        ("Sao Paulo", "São Paulo", "São Paulo"),
        ("Zürich ", "Zürich", "Zürich"),
        ("NORTH", "north", "north"),
        ("Amstrdam", "Amsterdam", "Amsterdam"),
        ("nowhere at all", "north", None),
    ],
)
def test_a_locality_without_rows_is_refused_before_a_reference_is_made(
    tmp_path: Path, named: str, there: str, meant: str | None
) -> None:
    """One accent too many, and the rows that were meant would train for ever."""
    table = small_table(place=["north", "north", there, None, "north", there])
    rules = {**SMALL_SPLIT, "test_localities": ["north", named]}
    error = refusal(lambda: split_small(tmp_path, table, split=rules), "locality_without_rows")
    assert error.facts["localities"] == [{"locality": named, "nearest": meant}]
    assert repr(meant or named) in error.message
    assert not list(tmp_path.glob("reference/**/*.parquet"))


def test_a_locality_whose_rows_have_gone_is_warned_of_once_there_is_a_reference(tmp_path: Path) -> None:
    """The reference stays what it was; a person should know."""
    rules = {**SMALL_SPLIT, "test_localities": ["north", "east"]}
    places = ["north", "north", "south", None, "east", "south"]
    made = split_small(tmp_path, small_table(place=places), split=rules)
    places[4] = "least"
    kept = small_table(place=places, year=[2010, 2013, 2011, 2012, 2015, 2009]).filter(
        [True, True, True, True, False, True]
    )
    parts = split_small(tmp_path, kept, split=rules, run="later", expected_reference=made.reference.sha256)
    assert codes_of(parts) == ["locality_without_rows", "small_reference", "reference_keys_left_master"]
    assert parts.told_warnings[0].facts["count"] == 1


@pytest.mark.parametrize(
    ("periods", "form"),
    [
        ([202011, 202012, 202101, 202102, 202012, 202011], "YYYYMM"),
        ([20201131, 20201201, 20210101, 20201101, 20201102, 20201103], "YYYYMMDD"),
        ([202050, 202052, 202101, 202102, 202051, 202049], "YYYYWW"),
        ([20203, 20204, 20211, 20202, 20204, 20203], "YYYYQ"),
        ([2020, 2021, 2020, 2019, 2021, 2020], None),
        ([24250, 24251, 24252, 24239, 24240, 24241], None),
        ([18_262, 18_293, 18_322, 18_353, 18_383, 18_414], None),
    ],
)
def test_periods_that_are_dates_are_warned_of_where_windows_are_cut(
    tmp_path: Path, periods: list[int], form: str | None
) -> None:
    """202101 minus 2 is no month; a year, a month's number or a day's number can be counted with."""
    rules = {**SMALL_SPLIT, "reference_test_period": {"min": min(periods), "max": max(periods)}}
    parts = split_small(tmp_path, small_table(year=periods), split=rules)
    assert [warning.facts["form"] for warning in parts.told_warnings if "form" in warning.facts] == (
        [form] if form else []
    )
    assert (form is None) or any(form in sentence for sentence in parts.warnings)


class GrowingMaster:
    """File operations under which the master is appended to while it is copied, so many times."""

    def __init__(self, master: Path, times: int) -> None:
        self.times, self._master = times, master
        self.operations = FileOperations(write=self._write)

    def _write(self, fd: int, data: bytes | memoryview) -> int:
        if self.times:
            self.times -= 1
            replacement = self._master.with_name("new.parquet")
            pq.write_table(small_table(price=[float(self.times)] * 6), replacement)
            replacement.rename(self._master)
        return FileOperations().write(fd, data)


def test_a_master_that_is_replaced_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    """Rows and digest are of the same bytes: those of the master as it is now."""
    job = small_job(tmp_path, small_table())
    parts = run_split(job, AtomicFiles(GrowingMaster(job.master, times=2).operations))
    assert parts.master.sha256 == sha256_of(job.master)
    assert pq.read_table(parts.train.path)["price"].to_pylist() == [0.0] * 3


def test_a_master_that_never_rests_ends_the_run(tmp_path: Path) -> None:
    """Three attempts, then a reason."""
    job = small_job(tmp_path, small_table())
    growing = GrowingMaster(job.master, times=100)
    error = refusal(lambda: run_split(job, AtomicFiles(growing.operations)), "master_changing")
    assert error.facts["attempts"] == 3
    assert growing.times == 97
