"""Files by their bytes, and the rows of data files by their digests."""

import hashlib
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.oracle.facts import RunRow


def read_files(*roots: str) -> tuple[dict[str, str], dict[str, float]]:
    """The sha256 of every file below the roots by path, and the age of temporary ones in seconds."""
    files: dict[str, str] = {}
    temporaries: dict[str, float] = {}
    # os.walk passes over a folder that is gone since it was listed; Path.rglob raises.
    walks = (walk for root in roots for walk in os.walk(root))
    for path in (Path(folder, name) for folder, _, names in walks for name in names):
        with suppress(FileNotFoundError):  # gone since it was listed
            if not path.is_file() or _is_of_dvc(path):
                continue
            if path.name.endswith(".laurel-tmp"):
                temporaries[str(path)] = time.time() - path.stat().st_mtime
            else:
                files[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return files, temporaries


def _is_of_dvc(path: Path) -> bool:
    """Its cache and remote are told apart by their own digests."""
    return "dvc" in path.parts


def read_parts(runs: Iterable[RunRow], key_columns: Iterable[str]) -> dict[str, frozenset[str]]:
    """Keys and whole rows of each run's train and reference, as texts that are equal when they are."""
    keys = list(key_columns)
    paths = {
        run.outputs["split"][part]["path"]
        for run in runs
        if run.outputs.get("split")
        for part in ("train", "reference")
    }
    return {path: _rows(pq.read_table(path), keys) for path in paths if Path(path).exists()}


def _rows(table: pa.Table, keys: list[str]) -> frozenset[str]:
    rows: list[dict[str, Any]] = table.to_pylist()
    whole = {"row " + hashlib.sha256(repr(sorted(row.items())).encode()).hexdigest() for row in rows}
    return frozenset(whole | {f"key {[row[key] for key in keys]!r}" for row in rows})
