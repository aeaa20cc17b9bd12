"""A part that is written row group by row group is one Parquet file, as the engine itself would write it."""

from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from service.adapters.files.atomic import AtomicFiles, sha256_of
from service.adapters.polars import row_groups
from service.adapters.polars.row_groups import PartWriter
from tests.worlds.synthetic import write_master


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pl.DataFrame:
    """Every type, and types that only the engine has; row groups hold 64 of them."""
    monkeypatch.setattr(row_groups, "ROW_GROUP", 64)
    write_master(tmp_path / "master.parquet", rows=200)
    frame = pl.read_parquet(tmp_path / "master.parquet")
    places = pl.int_range(pl.len())
    return frame.with_columns(
        category=(places % 3).cast(pl.String).cast(pl.Categorical),
        choice=(places % 2).cast(pl.String).cast(pl.Enum(["0", "1"])),
        pair=pl.concat_arr(places, places + 1),
        took=pl.duration(seconds=places),
    )


def write(path: Path, rows: pl.DataFrame, batch: int) -> Path:
    """Write in batches."""
    with AtomicFiles().draft(path) as draft, PartWriter(draft, rows.schema) as writer:
        for place in range(0, rows.height, batch):
            writer.add(rows.slice(place, batch))
        writer.close()
        draft.replace()
    return path


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 200])
def test_the_file_holds_the_rows_with_their_types(tmp_path: Path, rows: pl.DataFrame, count: int) -> None:
    path = write(tmp_path / "part.parquet", rows.head(count), 50)
    assert pl.read_parquet(path).equals(rows.head(count))
    assert pl.read_parquet(path).schema == rows.schema
    assert pl.scan_parquet(path).select(pl.len()).collect().item() == count
    rows.head(count).write_parquet(tmp_path / "plain.parquet")
    assert pq.read_table(path).schema == pq.read_table(tmp_path / "plain.parquet").schema


def test_each_row_group_can_be_read_alone(tmp_path: Path, rows: pl.DataFrame) -> None:
    """Each position in the footer is the right one."""
    file = pq.ParquetFile(write(tmp_path / "part.parquet", rows, 50))
    assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [
        64,
        64,
        64,
        8,
    ]
    name = rows.columns[0]
    for group in range(file.num_row_groups):
        column = file.read_row_group(group, columns=[name])[name].to_pylist()
        assert column == rows[name].slice(64 * group, 64).to_list()


def test_the_bytes_do_not_depend_on_the_batches(tmp_path: Path, rows: pl.DataFrame) -> None:
    digests = {sha256_of(write(tmp_path / f"{batch}.parquet", rows, batch)) for batch in (1, 7, 64, 65, 200)}
    assert len(digests) == 1
