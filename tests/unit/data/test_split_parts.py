"""Parts are held against their digests, and published whole."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from domain.datasets import SplitParts, manifest_of, named_files, seal
from domain.errors import NeverRetry
from service.adapters.files.atomic import sha256_of
from service.adapters.files.split_parts import digest_of
from service.lifecycle.steps.jobs import PublishJob
from service.lifecycle.steps.split_job import publish_split
from tests.worlds.split_jobs import SMALL_SPLIT, assert_whole, split_small


def _one_byte(path: Path) -> None:
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)


def _longer(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\0")


def _linked(path: Path) -> None:
    path.rename(path.with_suffix(".moved"))
    path.symlink_to(path.with_suffix(".moved"))


@pytest.mark.parametrize(
    "damage", [_one_byte, _longer, _linked, Path.unlink, lambda path: os.truncate(path, 9)]
)
@pytest.mark.parametrize("name", ["master", "train", "reference", "recent_1_year"])
def test_a_part_that_is_not_as_recorded_is_refused(
    tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    """Changed, longer, shorter, gone, or a link to somewhere else."""
    file = named_files(split_small(tmp_path))[name]
    digest_of(name, Path(file.path), file.sha256)
    damage(Path(file.path))
    with pytest.raises(NeverRetry) as caught:
        digest_of(name, Path(file.path), file.sha256)
    expected = "reference_digest_mismatch" if name == "reference" else "split_digest_mismatch"
    assert (caught.value.reason, caught.value.facts["part"]) == (expected, name)
    asks_for_mend = caught.value.message.endswith("restore the file, or make a new split version")
    assert asks_for_mend == (name == "reference")  # the others are the run's own


def publish(parts: SplitParts, folder: Path) -> dict[str, str]:
    publish_split(PublishJob(parts=parts, folder=folder))
    return {str(path.relative_to(folder)): sha256_of(path) for path in folder.rglob("*") if path.is_file()}


def test_the_published_copy_is_what_the_run_split(tmp_path: Path) -> None:
    """And the run's own files are not shared with it: an edit there changes nothing here."""
    parts = split_small(tmp_path)
    expected = {
        "train.parquet": parts.train.sha256,
        "optional_tests/recent_1_year.parquet": parts.optional_tests["recent_1_year"].sha256,
    }
    assert publish(parts, tmp_path / "splits" / "v1") == expected
    assert publish(parts, tmp_path / "splits" / "v1") == expected
    (tmp_path / "splits" / "v1" / "train.parquet").write_bytes(b"edited")
    assert_whole(parts)


def test_tests_that_left_the_split_are_no_longer_published(tmp_path: Path) -> None:
    """Another person's file beside them is left alone."""
    published = tmp_path / "splits" / "v1"
    publish(split_small(tmp_path), published)
    (published / "optional_tests" / "notes.txt").write_text("mine")
    parts = split_small(tmp_path, run="second", split={**SMALL_SPLIT, "moving_test_period": None})
    assert set(publish(parts, published)) == {"train.parquet", "optional_tests/notes.txt"}


def test_what_is_damaged_is_not_published(tmp_path: Path) -> None:
    """The old copy stays whole."""
    parts = split_small(tmp_path)
    before = publish(parts, tmp_path / "splits" / "v1")
    _one_byte(Path(parts.train.path))
    with pytest.raises(NeverRetry, match="not those that were split"):
        publish(parts, tmp_path / "splits" / "v1")
    assert {name: sha256_of(tmp_path / "splits" / "v1" / name) for name in before} == before


def test_the_manifest_is_sealed_as_sha256sum_would_print_it(tmp_path: Path) -> None:
    """Anyone can take the seal again."""
    manifest = manifest_of(split_small(tmp_path))
    assert list(manifest) == ["master", "train", "reference", "recent_1_year"]
    assert seal({"b": "2" * 64, "a": "1" * 64}) == sha256_of(
        _written(tmp_path, f"{'1' * 64}  a\n{'2' * 64}  b\n")
    )


def _written(folder: Path, text: str) -> Path:
    (folder / "sums").write_text(text)
    return folder / "sums"
