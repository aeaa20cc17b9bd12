"""A file that cannot or may not be read is refused by its header or footer, never by what it decodes to."""

import os
import struct
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.datasets import DatasetLimits
from domain.errors import NeverRetry
from service.adapters.files.data_layout import DataLayout
from service.adapters.polars.frames import open_dataset
from service.lifecycle.dataset_files import ChildDatasetFiles
from service.lifecycle.job_client import JobClient
from service.lifecycle.steps.jobs import InspectJob
from service.lifecycle.steps.split_job import inspect_master, run_split
from tests.fakes.children import InProcessChildren
from tests.kit.builders import a_config
from tests.worlds.split_jobs import small_job, small_table
from tests.worlds.synthetic import write_master


def why_refused(path: Path, **limits: int) -> str:
    with pytest.raises(NeverRetry) as caught:
        inspect_master(InspectJob(master=path, limits=DatasetLimits(**limits)))
    assert caught.value.reason == "unreadable_dataset"
    return str(caught.value.facts["why"])


def test_columns_types_rows_and_size_come_from_the_footer(tmp_path: Path) -> None:
    """Types are told in the contract's words, or in the engine's where the contract has none."""
    write_master(tmp_path / "m.parquet", rows=50)
    found = inspect_master(InspectJob(master=tmp_path / "m.parquet"))
    assert (found.rows, found.bytes) == (50, (tmp_path / "m.parquet").stat().st_size)
    kinds = ("locality", "year", "rooms", "energy", "garden", "nothing", "built_on")
    assert [found.columns[name] for name in kinds] == [
        "string", "int", "float", "string", "string", "null", "Date",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "0 bytes"),
        (b"PAR1PAR1", "8 bytes"),
        (b"key,price\na,1\nb,2\n", "not a Parquet file"),
        (b"PAR1" + b"\0" * 30, "not a Parquet file"),
        (b"PAR1" + b"\0" * 30 + struct.pack("<I", 12) + b"PARE", "encrypted"),
        (b"PARE" + b"\0" * 30 + struct.pack("<I", 12) + b"PARE", "encrypted"),
        (b"PAR1" + b"\0" * 30 + struct.pack("<I", 31) + b"PAR1", "footer says 31 bytes"),
        (b"PAR1" + b"\0" * 30 + struct.pack("<I", 2**32 - 1) + b"PAR1", "footer says 4294967295 bytes"),
    ],
)
def test_what_is_no_parquet_file_is_refused_by_its_ends(tmp_path: Path, content: bytes, why: str) -> None:
    """Nothing is parsed before magic and footer length were seen."""
    (tmp_path / "m.parquet").write_bytes(content)
    assert why in why_refused(tmp_path / "m.parquet")


def test_a_footer_that_is_no_footer_is_refused(tmp_path: Path) -> None:
    """The engine's own error becomes ours."""
    (tmp_path / "m.parquet").write_bytes(b"PAR1" + b"\7" * 40 + struct.pack("<I", 40) + b"PAR1")
    assert why_refused(tmp_path / "m.parquet")


async def test_a_master_that_is_unreadable_at_once_is_a_fault_of_the_request(tmp_path: Path) -> None:
    """So the request is rejected when it is resolved; what only a page shows fails the split."""
    places = DataLayout(tmp_path)
    places.master.parent.mkdir()
    places.master.write_bytes(b"nonsense" * 100)
    jobs = JobClient(InProcessChildren(), timeout_seconds=5.0, memory_bytes=1 << 30)
    (fault,) = await ChildDatasetFiles(jobs, places, tmp_path).check(a_config())
    assert (fault.code, fault.field) == ("unreadable_dataset", "master")


def test_missing_files_folders_and_pipes_are_refused(tmp_path: Path) -> None:
    """A pipe would be waited for for ever."""
    os.mkfifo(tmp_path / "pipe")
    assert "no such file" in why_refused(tmp_path / "nothing")
    assert "no such file" in why_refused(tmp_path / "pipe" / "below")
    assert "not a regular file" in why_refused(tmp_path)
    assert "not a regular file" in why_refused(tmp_path / "pipe")


def test_a_sparse_file_of_100_gb_is_refused_by_its_size(tmp_path: Path) -> None:
    """Its bytes are never read: that would take minutes."""
    with (tmp_path / "m.parquet").open("wb") as file:
        file.write(b"PAR1")
        file.truncate(100 << 30)
    assert "107374182400 bytes (100 GiB); from 12 bytes to " in why_refused(tmp_path / "m.parquet")


def test_a_file_that_decodes_to_too_much_is_refused_by_its_rows(tmp_path: Path) -> None:
    """Four million equal values take a few kilobytes; how large they become is told by their number."""
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table({"x": pa.repeat(pa.scalar(7, pa.int8()), 4_000_000)}), path)
    assert path.stat().st_size < 20_000
    assert "4000000 rows" in why_refused(path, max_rows=1_000_000)


def test_a_file_of_too_many_columns_is_refused(tmp_path: Path) -> None:
    """By its schema, or, if even that is too long to be parsed, by the length of its footer."""
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table({f"c{place}": [1] for place in range(300)}), path)
    assert "300 columns" in why_refused(path, max_columns=200)
    assert "at most 5000 bytes (4.9 KiB) are allowed" in why_refused(path, max_footer_bytes=5_000)


def test_a_corrupt_page_ends_the_split_and_leaves_nothing(tmp_path: Path) -> None:
    """The footer is fine; the data is not."""
    job = small_job(tmp_path, small_table())
    content = bytearray(job.master.read_bytes())
    content[4:200] = b"\xff" * 196
    job.master.write_bytes(content)
    with pytest.raises(NeverRetry) as caught:
        run_split(job)
    assert caught.value.reason == "unreadable_dataset"
    assert caught.value.facts["path"] == str(job.master)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["master.parquet"]


def test_a_path_is_a_name_and_no_pattern(tmp_path: Path) -> None:
    """Neither stars nor `key=value` folders mean anything in a path."""
    folder = tmp_path / "env=prod" / "a*[b]?"
    write_master(folder / "m.parquet", rows=5)
    found = inspect_master(InspectJob(master=folder / "m.parquet"))
    assert found.rows == 5
    assert "env" not in found.columns


@pytest.mark.parametrize(
    ("limits", "in_memory"),
    [
        (DatasetLimits(), True),
        (DatasetLimits(in_memory_cells=30), True),
        (DatasetLimits(in_memory_cells=29), False),
        (DatasetLimits(in_memory_bytes=100), False),
    ],
)
def test_a_dataset_of_many_cells_or_bytes_is_streamed(
    tmp_path: Path, limits: DatasetLimits, *, in_memory: bool
) -> None:
    """Six rows of five columns: 30 cells."""
    job = small_job(tmp_path, small_table())
    assert open_dataset(job.master, limits).in_memory is in_memory


def test_limits_have_sane_defaults() -> None:
    """A dataset of ordinary size is far from all of them."""
    assert DatasetLimits().max_rows >= 100_000_000
    assert DatasetLimits().max_columns >= 1_000


def _rewritten(path: Path, old: bytes, new: bytes) -> None:
    """Put other bytes into a footer."""
    data = path.read_bytes()
    (length,) = struct.unpack("<I", data[-8:-4])
    footer = data[-8 - length : -8]
    assert footer.count(old) == 1
    footer = footer.replace(old, new)
    path.write_bytes(data[: -8 - length] + footer + struct.pack("<I", len(footer)) + b"PAR1")


def _with_interval(path: Path) -> None:
    """As other engines write one: 12 bytes, said to be an interval."""
    pq.write_table(
        pa.table({"ok": [1], "odd": pa.array([b"0" * 12], pa.binary(12))}), path, store_schema=False
    )
    _rewritten(path, b"\x18\x03odd\x00", b"\x18\x03odd\x25\x2a\x00")


def _with_variant(path: Path) -> None:
    """A group of two that is said to be a variant."""
    pq.write_table(
        pa.table({"ok": [1], "odd": [{"metadata": b"a", "value": b"b"}]}), path, store_schema=False
    )
    _rewritten(path, b"\x18\x03odd\x15\x04\x00", b"\x18\x03odd\x15\x04\x5c\x0c\x20\x00\x00\x00")


def _with_wide_numbers(path: Path) -> None:
    pl.DataFrame({"ok": [1], "odd": pl.Series([2**70], dtype=pl.Int128)}).write_parquet(path)


@pytest.mark.parametrize(
    ("write", "kind"),
    [(_with_interval, "INTERVAL"), (_with_variant, "VARIANT"), (_with_wide_numbers, "Int128")],
)
def test_a_column_of_a_type_that_is_not_read_is_named(
    tmp_path: Path, write: Callable[[Path], None], kind: str
) -> None:
    """Whichever engine it is that does not read it, and before any work is done."""
    write(tmp_path / "m.parquet")
    assert why_refused(tmp_path / "m.parquet").startswith(f"column 'odd' holds {kind}")
