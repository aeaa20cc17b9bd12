"""A reference that nobody used before is taken only if the rules would have made it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.data_contract import DataContract
from domain.errors import NeverRetry
from service.lifecycle.steps.count_trained_job import count_trained
from service.lifecycle.steps.jobs import CountTrainedJob
from tests.worlds.split_jobs import SMALL_CONTRACT, SMALL_SPLIT, keys_of, small_job, small_table, split_small

TEMPORAL = {
    "version": 1,
    "data_contract": 1,
    "split_strategy": "temporal",
    "periodic_column": "year",
    "reference_test_period": {"min": 2012},
}
HASH = {
    "version": 1,
    "data_contract": 1,
    "split_strategy": "hash",
    "key_columns": ["key"],
    "test_fraction": 0.5,
}


def refusal(act: Callable[[], Any], reason: str) -> NeverRetry:
    with pytest.raises(NeverRetry) as caught:
        act()
    assert caught.value.reason == reason
    return caught.value


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (SMALL_SPLIT, {**SMALL_SPLIT, "reference_test_period": {"min": 2012, "max": 2014}}),
        (SMALL_SPLIT, TEMPORAL),
        (HASH, {**HASH, "salt": "another"}),
    ],
)
def test_another_model_s_reference_in_the_same_data_root_is_refused(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any]
) -> None:
    """Its master has rows of its own, so that nothing overlaps; only the rules tell the two apart."""
    split_small(tmp_path, small_table(), split=first)
    keys = [f"other {key}" for key in "abcdef"]
    prices = [float(number) for number in range(6)]
    theirs = small_table(key=keys, price=prices)
    error = refusal(
        lambda: split_small(tmp_path, theirs, split=second, run="other"), "reference_rule_mismatch"
    )
    assert 0 < error.facts["rows"] <= error.facts["of"]
    assert len(error.facts["sample_keys"]) == error.facts["rows"]
    assert "other rules" in error.message


@pytest.mark.parametrize("rules", [SMALL_SPLIT, TEMPORAL, HASH])
def test_a_reference_that_the_same_rules_made_is_adopted(tmp_path: Path, rules: dict[str, Any]) -> None:
    """A run that was killed before its use was recorded leaves one; so does the user's own splitter."""
    first = split_small(tmp_path, small_table(), split=rules)
    second = split_small(tmp_path, split=rules, run="again")
    assert (second.reference, second.reference_created) == (first.reference, False)


def test_what_was_recorded_once_is_not_held_against_the_rules_again(tmp_path: Path) -> None:
    """An adopted reference stays one, whatever a later Laurel thinks of it."""
    made = split_small(tmp_path, small_table(), split=HASH)
    again = {**HASH, "test_fraction": 0.6}
    parts = split_small(tmp_path, split=again, run="again", expected_reference=made.reference.sha256)
    assert parts.reference == made.reference


def test_a_reference_without_the_rules_columns_is_adopted_with_a_warning(tmp_path: Path) -> None:
    job = small_job(tmp_path)
    job.reference.parent.mkdir(parents=True)
    pq.write_table(pa.table({"key": ["z"], "size": [1.0], "price": [5.0], "year": ["?"]}), job.reference)
    (warning,) = [one for one in split_small(tmp_path).told_warnings if one.code == "reference_unchecked"]
    assert warning.facts["columns"] == ["place", "year"]


def test_a_row_that_trains_under_a_new_key_is_found_whatever_else_is_carried(tmp_path: Path) -> None:
    """Keys are spelled otherwise, and a column that no contract names changes with each delivery."""
    made = split_small(tmp_path, small_table(seen_at=[1, 2, 3, 4, 5, 6]), split=HASH)
    judged = keys_of(made.reference)
    respelled = [f"new {key}{'!' * 3 if key in judged else ''}" for key in "abcdef"]
    table = small_table(key=respelled, seen_at=[7, 8, 9, 10, 11, 12])
    error = refusal(lambda: split_small(tmp_path, table, split=HASH, run="second"), "train_reference_overlap")
    assert error.facts["by_key"] == 0
    assert set(error.facts["sample_keys"]) <= set(judged)


def trained_on(folder: Path, contract: Mapping[str, Any] = SMALL_CONTRACT) -> int | None:
    """How many rows of the second split's reference trained under the first."""
    first = split_small(folder / "first", small_table(), split=TEMPORAL)
    second = split_small(folder / "second", small_table())
    job = CountTrainedJob(
        reference=Path(second.reference.path),
        train=first.train,
        cache=folder / "cache",
        dvc_hash=None,
        contract=DataContract.model_validate(contract),
    )
    return count_trained(job).rows


def test_reference_rows_that_trained_a_champion_of_another_split_are_counted(tmp_path: Path) -> None:
    assert trained_on(tmp_path) == 1  # row a of 2010; row e of 2012 judged there too


def test_a_training_part_that_was_removed_is_looked_for_in_the_cache(tmp_path: Path) -> None:
    first = split_small(tmp_path / "first", small_table(), split=TEMPORAL)
    kept = tmp_path / "cache" / "files" / "md5" / "ab" / "cdef"
    kept.parent.mkdir(parents=True)
    Path(first.train.path).rename(kept)
    second = split_small(tmp_path / "second", small_table())
    job = CountTrainedJob(
        reference=Path(second.reference.path),
        train=first.train,
        cache=tmp_path / "cache",
        dvc_hash="abcdef",
        contract=DataContract.model_validate(SMALL_CONTRACT),
    )
    assert count_trained(job).rows == 1
    assert count_trained(replace(job, dvc_hash="012345")).rows is None
    kept.write_bytes(b"other bytes")
    assert count_trained(job).rows is None


def test_without_the_contract_s_keys_nobody_can_count(tmp_path: Path) -> None:
    other = {
        **SMALL_CONTRACT,
        "primary_key": ["id"],
        "columns": {**SMALL_CONTRACT["columns"], "id": {"type": "int"}},
    }
    assert trained_on(tmp_path, contract=other) is None
