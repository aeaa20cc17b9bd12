"""A dataset as it stood at some time: all rows up to a period."""

from pathlib import Path

import polars as pl

from service.adapters.files.atomic import AtomicFiles


def write_delivery(source: Path, path: Path, period_column: str, last: int | None) -> int:
    """Write the rows whose period is at most `last` (None: all), in their order; return how many."""
    rows = pl.read_parquet(source)
    if last is not None:
        rows = rows.filter(pl.col(period_column) <= last)
    with AtomicFiles().draft(path) as draft:
        rows.write_parquet(draft.temporary)
        draft.replace()
    return rows.height


def first_row(path: Path) -> dict[str, object]:
    """One row as a request would bring it."""
    return pl.read_parquet(path, n_rows=1).row(0, named=True)
