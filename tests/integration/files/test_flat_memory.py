"""The memory of a split does not grow with the rows of the master.

Its cost: splits of two million rows and of four.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = 16
MEGABYTE = 1 << 20


def write_rows(path: Path, rows: int) -> int:
    """Write numbers that do not compress, a part at a time; return how many bytes they are in memory."""
    path.parent.mkdir(parents=True)
    dice = np.random.default_rng(3)
    with pq.ParquetWriter(path, _part(dice, 0, 1).schema, compression="none", use_dictionary=False) as writer:
        for first in range(0, rows, 100_000):
            writer.write_table(_part(dice, first, min(100_000, rows - first)))
    return rows * (COLUMNS + 3) * 8


def _part(dice: np.random.Generator, first: int, rows: int) -> pa.Table:
    values = {f"x{place}": dice.random(rows) for place in range(COLUMNS)}
    keys = {
        "key": np.arange(first, first + rows),
        "place": dice.integers(0, 9, rows),
        "price": dice.random(rows),
    }
    return pa.table({**keys, **values})


def peak_bytes(folder: Path) -> int:
    """Split in a process of its own, and ask it for the most anonymous memory that it held."""
    module, root = "tests.integration.files.measured_split", Path(__file__).parents[3]
    command = [sys.executable, "-m", module, str(folder)]
    done = subprocess.run(command, check=True, timeout=200, cwd=root, capture_output=True, text=True)  # noqa: S603 - our own module
    return int(done.stdout)


def measured(folder: Path, rows: int) -> tuple[int, int]:
    """The bytes of so many rows, and the most memory that their split took; the file is gone afterwards."""
    size = write_rows(folder / "master.parquet", rows)
    peak = peak_bytes(folder)
    shutil.rmtree(folder)
    return size, peak


def test_twice_the_rows_take_about_the_same_memory(tmp_path: Path) -> None:
    """The smaller one fills the engine's buffers already; then most of the additional rows are never held."""
    small, little = measured(tmp_path / "small", 2_000_000)
    large, much = measured(tmp_path / "large", 4_000_000)
    more = much - little
    assert more < (large - small) / 2, (
        f"{more / MEGABYTE:.0f} MB more for {(large - small) / MEGABYTE:.0f} MB of rows"
    )
