"""How many rows trained two models is counted by their keys, where both training parts are still there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from domain.data_contract import DataContract
from domain.datasets import SplitParts
from domain.model_comparison import OverlapForm, known_overlap
from domain.run_record import RunRecord
from service.lifecycle.steps.count_trained_job import counted_overlap
from tests.kit.builders import a_config
from tests.worlds.split_jobs import SMALL_CONTRACT, keys_of, small_table, split_small


def record(parts: SplitParts, contract: Mapping[str, Any] = SMALL_CONTRACT) -> RunRecord:
    config = a_config().model_copy(update={"contract": DataContract.model_validate(contract)})
    return RunRecord({"resolve": config.model_dump(mode="json"), "split": parts.model_dump(mode="json")})


def counted(a: RunRecord, b: RunRecord, folder: Path) -> OverlapForm:
    return counted_overlap(known_overlap(a, b), a, b, folder / "cache")


def two_splits(folder: Path) -> tuple[SplitParts, SplitParts]:
    """In the second master one of the rows that train has another key."""
    first = split_small(folder / "first", small_table())
    renamed = keys_of(first.train)[0]
    later = small_table(key=[f"{key} again" if key == renamed else key for key in "abcdef"])
    return first, split_small(folder / "second", later)


def test_rows_that_trained_both_are_counted_by_their_keys(tmp_path: Path) -> None:
    first, second = two_splits(tmp_path)
    found = counted(record(first), record(second), tmp_path)
    assert (found.rows, found.why) == (first.train.rows - 1, "counted by their keys")
    assert (found.a, found.b) == (first.train.rows, second.train.rows)


def test_equal_parts_share_every_row_without_being_read(tmp_path: Path) -> None:
    parts = split_small(tmp_path, small_table())
    Path(parts.train.path).unlink()
    assert known_overlap(record(parts), record(parts)).rows == parts.train.rows


def test_a_part_that_is_gone_or_has_other_bytes_is_not_counted(tmp_path: Path) -> None:
    first, second = two_splits(tmp_path)
    Path(second.train.path).write_bytes(b"other bytes")
    found = counted(record(first), record(second), tmp_path)
    assert found.rows is None
    assert "neither in its run's folder nor in DVC's cache" in found.why


def test_contracts_with_different_keys_cannot_be_counted(tmp_path: Path) -> None:
    first, second = two_splits(tmp_path)
    other = {**SMALL_CONTRACT, "primary_key": ["key", "year"]}
    found = counted(record(first), record(second, other), tmp_path)
    assert (found.rows, found.why) == (None, "their data contracts have different keys")
