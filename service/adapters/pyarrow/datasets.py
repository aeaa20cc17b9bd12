"""Read a dataset from the very bytes that were checked."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from domain.errors import NeverRetry
from domain.metrics import Floats


def read_dataset(path: str, sha256: str, name: str, columns: Iterable[str]) -> pa.Table:
    """Read those of `columns` that a Parquet file has; `name` is the part that it plays.

    The file is read once, so nobody can change it between the check and the use. Raises NeverRetry:
    `reference_digest_mismatch` or `dataset_digest_mismatch` when the bytes are not those with this sha256,
    `unreadable_dataset` when they are no Parquet.
    """
    data = _checked_bytes(Path(path), sha256, name)
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        names = file.schema_arrow.names
        present = [column for column in dict.fromkeys(columns) if names.count(column) == 1]
        return file.read(columns=present, use_threads=False).select(present).replace_schema_metadata(None)
    except (pa.ArrowException, OSError) as error:
        raise NeverRetry("unreadable_dataset", f"{name}: {path} is no readable Parquet ({error})") from error


def frame_of(table: pa.Table, columns: Iterable[str]) -> pd.DataFrame:
    """The columns as a pandas frame, in their order; nulls become pandas' own."""
    frame: pd.DataFrame = table.select(list(columns)).to_pandas(use_threads=False, ignore_metadata=True)
    return frame


def floats_of(table: pa.Table, column: str) -> Floats:
    """One column of numbers as float64; a null is NaN."""
    return np.asarray(table.column(column).to_numpy(), dtype=np.float64)


def _checked_bytes(path: Path, sha256: str, name: str) -> bytes:
    reason = "reference_digest_mismatch" if name == "reference" else "dataset_digest_mismatch"
    try:
        data = _read_regular(path)
    except OSError as error:
        sentence = f"{name}: {path} is not the file that was recorded ({error.strerror})"
        raise NeverRetry(reason, sentence, dataset=name, expected=sha256) from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        sentence = f"{name}: {path} has sha256 {found}, recorded was {sha256}"
        raise NeverRetry(reason, sentence, dataset=name, expected=sha256, found=found)
    return data


def _read_regular(path: Path) -> bytes:
    """A symbolic link may point elsewhere the next time, so it is not followed. Raises OSError."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb", buffering=0) as file:
        return file.read()
