"""Masters of any size: the flights of the bench, year after year, so that each row has a key of its own."""

from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow.parquet as pq

from bench.flights import CONTRACT, read_flights

_FIRST_YEAR: Final = 2013
_BOUNDS: Final = {"min": _FIRST_YEAR, "max": 9999}
_COLUMNS: Final[dict[str, Any]] = CONTRACT["columns"]

LONG_CONTRACT: Final[dict[str, Any]] = {
    **CONTRACT,
    "columns": {**_COLUMNS, "year": {**_COLUMNS["year"], **_BOUNDS}},
}


def write_master(path: Path, rows: int, row_group: int = 131_072) -> int:
    """Write so many flights; return the bytes of the file."""
    flights = read_flights()
    with pq.ParquetWriter(path, flights.to_arrow().schema, compression="zstd") as writer:
        for number, first in enumerate(range(0, rows, flights.height)):
            year = _year(flights, number).head(rows - first)
            writer.write_table(year.to_arrow(), row_group_size=row_group)
    return path.stat().st_size


def _year(flights: pl.DataFrame, number: int) -> pl.DataFrame:
    """The same flights so many years later."""
    hour = pl.col("time_hour").str
    year = (hour.head(4).cast(pl.Int64) + number).cast(pl.String)
    return flights.with_columns(pl.col("year") + number, time_hour=year + hour.slice(4))
