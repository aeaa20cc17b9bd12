"""One piece of work on a master, in this process: `floor` or `split`. Prints seconds and peak memory.

The floor is what the engine needs at least, streaming: hash the key's columns and write two parts, with the
codec and the row groups of Laurel's own files. It checks nothing, keeps no copy, and syncs nothing.
"""

import sys
import time
from pathlib import Path
from typing import Final

import polars as pl

from bench.flights import FEATURES, SPLIT
from bench.large.data import LONG_CONTRACT
from domain.data_contract import DataContract
from domain.resolved_config import read_features
from domain.split_rules import SPLIT_RULES
from service.adapters.polars.row_groups import ROW_GROUP
from service.lifecycle.steps.jobs import SplitJob
from service.lifecycle.steps.split_job import split

_TENTHS: Final = 10


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


def laurel(master: Path, folder: Path) -> None:
    """Split as a run's first split does: the reference is made."""
    split(
        SplitJob(
            master=master,
            run_folder=folder / "run",
            reference=folder / "reference.parquet",
            contract=DataContract.model_validate(LONG_CONTRACT),
            rules=SPLIT_RULES.validate_python(SPLIT),
            features=read_features(FEATURES),
        )
    )


def main() -> None:
    """Do what the module says."""
    work = {"floor": floor, "split": laurel}[sys.argv[1]]
    started = time.perf_counter()
    work(Path(sys.argv[2]), Path(sys.argv[3]))
    seconds = time.perf_counter() - started
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM"))
    sys.stdout.write(f"{seconds:.3f} {int(peak.split()[1]) * 1024}\n")


if __name__ == "__main__":
    main()
