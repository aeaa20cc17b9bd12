"""One piece of work on a master, in this process: `floor` or `split`. Prints seconds and peak memory as JSON.

After a split, its files are published and versioned as a run does, and the run's own parts are removed as
after its end; the bytes on the disk are printed too.

The floor is what the engine needs at least, streaming: hash the key's columns and write two parts, with the
codec and the row groups of Laurel's own files. It checks nothing, keeps no copy, and syncs nothing.
"""

import json
import sys
import time
from pathlib import Path
from typing import Final

import polars as pl

from bench.flights import FEATURES, SPLIT
from bench.large.data import LONG_CONTRACT
from domain.data_contract import DataContract
from domain.datasets import SplitParts
from domain.resolved_config import read_features
from domain.split_rules import SPLIT_RULES
from service.adapters.files.split_parts import remove_own_parts
from service.adapters.polars.row_groups import ROW_GROUP
from service.lifecycle.steps.jobs import PublishJob, SplitJob, VersionJob
from service.lifecycle.steps.split_job import publish_split, split
from service.lifecycle.steps.version_job import version

_TENTHS: Final = 10
_RUN: Final = "runs/bench"
_BLOCK: Final = 512  # what st_blocks counts


def floor(master: Path, folder: Path) -> None:
    """Hash and write."""
    tenth = pl.struct(SPLIT["key_columns"]).hash() % _TENTHS
    held_back = tenth < round(SPLIT["test_fraction"] * _TENTHS)
    for name, rule in {"train": ~held_back, "reference": held_back}.items():
        pl.scan_parquet(master).filter(rule).sink_parquet(
            folder / f"{name}.parquet",
            compression="zstd",
            compression_level=1,
            statistics=False,
            row_group_size=ROW_GROUP,
            engine="streaming",
        )


def laurel(master: Path, folder: Path) -> SplitParts:
    """Split as a run's first split does: the reference is made."""
    return split(
        SplitJob(
            master=master,
            run_folder=folder / _RUN,
            reference=folder / "reference" / "tests" / "v1" / "test_reference.parquet",
            contract=DataContract.model_validate(LONG_CONTRACT),
            rules=SPLIT_RULES.validate_python(SPLIT),
            features=read_features(FEATURES),
        )
    )


def on_disk(parts: SplitParts, folder: Path) -> dict[str, int]:
    """Go on as a run does; the bytes on the disk before its end, after it, and what a next run would add."""
    run, dvc = folder / _RUN, folder / "dvc"
    publish_split(PublishJob(parts=parts, folder=folder / "splits" / "v1"))
    job = VersionJob(parts=parts, workspace=run / "dvc", cache=dvc / "cache", remote_url=str(dvc / "remote"))
    version(job)
    during = _bytes(folder)
    remove_own_parts(run)
    return {
        "during": during,
        "after": _bytes(folder),
        "more": _bytes(run) + _bytes(dvc) - parts.reference.bytes,
    }


def _bytes(folder: Path) -> int:
    """Room on the disk, of each file once; blocks that files share count for each."""
    status = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return sum({one.st_ino: one.st_blocks * _BLOCK for one in status}.values())


def main() -> None:
    """Do what the module says."""
    work = {"floor": floor, "split": laurel}[sys.argv[1]]
    folder = Path(sys.argv[3])
    started = time.perf_counter()
    parts = work(Path(sys.argv[2]), folder)
    seconds = time.perf_counter() - started
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM"))
    disk = {} if parts is None else on_disk(parts, folder)
    sys.stdout.write(json.dumps({"seconds": seconds, "peak": int(peak.split()[1]) * 1024, "disk": disk}))


if __name__ == "__main__":
    main()
