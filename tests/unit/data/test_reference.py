"""The reference is made once, adopted for ever after, and never trained on."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.datasets import SplitParts
from domain.errors import NeverRetry
from domain.points import Point, Points
from service.adapters.files.atomic import sha256_of
from service.lifecycle.steps.split_job import run_split
from tests.kit.written import written
from tests.worlds.split_jobs import SMALL_SPLIT, keys_of, small_job, small_table, split_small


def refusal(act: Callable[[], Any], reason: str) -> NeverRetry:
    with pytest.raises(NeverRetry) as caught:
        act()
    assert caught.value.reason == reason
    return caught.value


def grown(**columns: Any) -> pa.Table:
    """The small master, and two later rows that the reference rule would take."""
    more = pa.table(
        {"key": ["g", "h"], "place": ["north"] * 2, "year": [2011] * 2, "size": [7.0] * 2, "price": [1.0] * 2}
    )
    return pa.concat_tables([small_table(**columns), more])


def test_an_existing_reference_is_adopted_and_never_rewritten(tmp_path: Path) -> None:
    """New rows that would belong to it are neither added nor trained on."""
    first = split_small(tmp_path)
    before = written(Path(first.reference.path))
    second = split_small(tmp_path, grown(), run="second", expected_reference=first.reference.sha256)
    assert (second.reference, second.reference_created) == (first.reference, False)
    assert written(Path(first.reference.path)) == before
    assert keys_of(second.train) == ["c", "d", "f"]


def test_a_reference_of_other_origin_is_adopted_with_its_own_columns(tmp_path: Path) -> None:
    """Only key, target and features have to be as the contract says."""
    job = small_job(tmp_path)
    job.reference.parent.mkdir(parents=True)
    pq.write_table(
        pa.table({"key": ["z"], "size": [None], "price": [5], "year": ["?"], "old": [1]}), job.reference
    )
    parts = run_split(job)
    assert (parts.reference.rows, parts.reference_created) == (1, False)
    assert parts.reference.sha256 == sha256_of(job.reference)


def _one_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _replaced(path: Path) -> None:
    pq.write_table(small_table(), path)


def _truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def _linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


@pytest.mark.parametrize("damage", [_one_byte, _replaced, _truncated, _linked, _dangling, Path.unlink])
def test_a_reference_that_is_not_the_recorded_one_is_refused(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """Also one that is gone: made again from another master it would be another one."""
    first = split_small(tmp_path)
    damage(Path(first.reference.path))
    error = refusal(
        lambda: split_small(tmp_path, run="second", expected_reference=first.reference.sha256),
        "reference_digest_mismatch",
    )
    assert error.facts["expected"] == first.reference.sha256
    assert not list((tmp_path / "second").rglob("*.parquet"))


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ({"key": ["z"], "size": [1.0]}, "data_contract"),
        ({"key": ["z"], "size": ["?"], "price": [1.0]}, "data_contract"),
        ({"key": ["z"], "size": [1.0], "price": [None]}, "data_contract"),
        ({"key": ["z", "z"], "size": [1.0, 2.0], "price": [1.0, 1.0]}, "data_contract"),
        ({"key": [], "size": [], "price": []}, "empty_reference"),
    ],
)
def test_a_reference_that_no_model_can_be_judged_by_is_refused(
    tmp_path: Path, reference: dict[str, list[Any]], reason: str
) -> None:
    """Columns missing, of another type, null targets, repeated keys, no rows."""
    job = small_job(tmp_path)
    job.reference.parent.mkdir(parents=True)
    pq.write_table(pa.table(reference), job.reference)
    refusal(lambda: run_split(job), reason)


def test_a_reference_that_is_no_parquet_file_is_refused(tmp_path: Path) -> None:
    """Whatever has its name is taken for it; it is never overwritten."""
    job = small_job(tmp_path)
    job.reference.parent.mkdir(parents=True)
    job.reference.write_bytes(b"not yet")
    refusal(lambda: run_split(job), "unreadable_dataset")
    assert job.reference.read_bytes() == b"not yet"


def test_a_reference_row_whose_key_trains_is_refused(tmp_path: Path) -> None:
    """A row moved to another place after the reference was made."""
    split_small(tmp_path)
    moved = small_table(place=["south", "north", "south", None, "north", "south"])
    error = refusal(lambda: split_small(tmp_path, moved, run="second"), "train_reference_overlap")
    assert (error.facts["by_key"], error.facts["by_content"], error.facts["sample_keys"]) == (1, 0, ["a"])


def test_other_test_localities_under_the_same_version_are_refused(tmp_path: Path) -> None:
    """The edit that put 34 of 71 reference rows into train, silently."""
    split_small(tmp_path)
    edited = {**SMALL_SPLIT, "test_localities": ["south"]}
    error = refusal(lambda: split_small(tmp_path, run="second", split=edited), "train_reference_overlap")
    assert error.facts["sample_keys"] == ["a", "e"]


def test_a_reference_row_that_trains_under_a_new_key_is_refused(tmp_path: Path) -> None:
    """All keys were given anew, and the hash rule put the rows on other sides."""
    rules = {
        "version": 1,
        "data_contract": 1,
        "split_strategy": "hash",
        "key_columns": ["key"],
        "test_fraction": 0.5,
    }
    split_small(tmp_path, small_table(), split=rules)
    judged = set(
        pq.read_table(tmp_path / "reference" / "tests" / "v1" / "test_reference.parquet")["key"].to_pylist()
    )
    new_keys = [f"new {key}{'!' * 3 if key in judged else ''}" for key in "abcdef"]
    error = refusal(
        lambda: split_small(tmp_path, small_table(key=new_keys), run="second", split=rules),
        "train_reference_overlap",
    )
    assert error.facts["by_key"] == 0
    assert 0 < error.facts["by_content"] <= len(judged)


def test_rows_that_are_alike_but_keep_their_keys_are_two_rows(tmp_path: Path) -> None:
    """Two flats of one house may be the same in everything but their number."""
    twins = small_table(
        place=["north", "north", "south", None, "north", "south"],
        year=[2010, 2013, 2010, 2012, 2012, 2009],
        size=[1.0, 2.0, 1.0, 4.0, 5.0, 6.0],
        price=[10.0, 20.0, 10.0, 40.0, 50.0, 60.0],
    )
    split_small(tmp_path, twins)
    assert split_small(tmp_path, twins, run="second").train.rows == 3


class BothAtOnce(Points):
    """Let nobody go on before both runs have seen that there is no reference."""

    def __init__(self) -> None:
        self._barrier = threading.Barrier(2, timeout=30)

    def passed(self, point: Point) -> None:
        if point is Point.SPLIT_AFTER_TEMP:
            self._barrier.wait()


@pytest.mark.parametrize("attempt", range(5))
def test_of_two_racing_creators_one_makes_the_reference_and_both_use_it(tmp_path: Path, attempt: int) -> None:
    """Each of them read another master, and each trains on its own rows."""
    del attempt
    jobs = [small_job(tmp_path / "one", small_table()), small_job(tmp_path / "two", grown())]
    shared = tmp_path / "reference.parquet"
    points = BothAtOnce()
    with ThreadPoolExecutor(2) as threads:
        racing = [threads.submit(run_split, _at(job, shared), None, points) for job in jobs]
        results: list[SplitParts] = [future.result() for future in racing]
    assert sorted(result.reference_created for result in results) == [False, True]
    assert results[0].reference == results[1].reference
    assert results[0].reference.sha256 == sha256_of(shared)
    assert [result.master.rows for result in results] == [6, 8]
    assert [path.name for path in tmp_path.glob("*.*")] == ["reference.parquet"]


def _at(job: Any, reference: Path) -> Any:
    return type(job)(**{**vars(job), "reference": reference})
