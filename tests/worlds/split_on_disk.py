"""A split as the split step leaves it, with any bytes for rows: a run's folder and a shared reference."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from domain.datasets import DatasetFile, SplitParts

CONTENT: Mapping[str, bytes] = {
    "master": b"all rows" * 500,
    "train": b"rows to train on" * 200,
    "reference": b"rows to judge on" * 20,
    "recent_12_month": b"late rows" * 30,
}


def split_on_disk(data_root: Path, run_id: str, content: Mapping[str, bytes] = CONTENT) -> SplitParts:
    """Write the files of one run; any name but master, train and reference is an optional test's."""
    run = data_root / "runs" / run_id
    paths = {
        "master": run / "master.parquet",
        "train": run / "split" / "train.parquet",
        "reference": data_root / "reference" / "tests" / "v3" / "test_reference.parquet",
    }
    files = {
        name: _file(paths.get(name, run / "split" / "optional_tests" / f"{name}.parquet"), data)
        for name, data in content.items()
    }
    tests = {name: file for name, file in files.items() if name not in paths}
    return SplitParts(
        master=files["master"],
        train=files["train"],
        reference=files["reference"],
        optional_tests=tests,
        reference_created=True,
        warnings=(),
        statistics={},
        contract_report={},
        seconds=0.1,
    )


def _file(path: Path, content: bytes) -> DatasetFile:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return DatasetFile(
        path=str(path), sha256=hashlib.sha256(content).hexdigest(), bytes=len(content), rows=len(content)
    )
