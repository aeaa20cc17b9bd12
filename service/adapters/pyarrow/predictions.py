"""What a model predicted, row by row, as a file beside a run."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from domain.arrays import Floats
from service.adapters.files.atomic import AtomicFiles
from service.adapters.pyarrow.datasets import floats_of


def write_predictions(
    path: Path, truth: Floats, predictions: Floats, locality: pa.ChunkedArray | None
) -> None:
    """Write one row per row of the dataset, in its order. Raises TryLater `disk_full` or `file_error`."""
    columns = {"truth": pa.array(truth), "prediction": pa.array(predictions)}
    if locality is not None:
        columns["locality"] = locality.cast(pa.string())
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), buffer)
    AtomicFiles().replace(path, buffer.getvalue().to_pybytes())


def read_predictions(path: Path) -> tuple[Floats, Floats, list[str | None] | None]:
    """Truth, prediction and, if it was written, locality of each row. Raises OSError or ArrowException."""
    table = pq.ParquetFile(path).read(use_threads=False)
    has_locality = "locality" in table.column_names
    locality = table.column("locality").to_pylist() if has_locality else None
    return floats_of(table, "truth"), floats_of(table, "prediction"), locality
