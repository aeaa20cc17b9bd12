"""Split FOLDER/master.parquet as a stream, and print the most anonymous memory held meanwhile, in bytes."""

import sys
import threading
from pathlib import Path

from domain.data_contract import DataContract
from domain.datasets import DatasetLimits
from domain.feature_schema import FeatureSchema
from domain.split_rules import SPLIT_RULES
from service.lifecycle.steps.jobs import SplitJob
from service.lifecycle.steps.split_job import split

NUMBER = {"type": "float"}


class Gauge(threading.Thread):
    """Looks at this process's anonymous memory until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._over = threading.Event()

    def run(self) -> None:
        """Look every five milliseconds."""
        while not self._over.wait(0.005):
            lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
            held = next(line for line in lines if line.startswith("RssAnon"))
            self.peak = max(self.peak, int(held.split()[1]) * 1024)

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self.join()


def main() -> None:
    """Do what the module says."""
    folder = Path(sys.argv[1])
    gauge = Gauge()
    gauge.start()
    split(_job(folder))
    gauge.stop()
    sys.stdout.write(f"{gauge.peak}\n")


def _job(folder: Path) -> SplitJob:
    columns = {
        "key": {"type": "int"},
        "place": {"type": "int"},
        "price": NUMBER,
        "x0": {"type": "float", "min": 0},
    }
    rules = {
        "version": 1,
        "data_contract": 1,
        "split_strategy": "geographic",
        "geographic_column": "place",
        "periodic_column": "key",
        "test_localities": [3, 4],
        "reference_test_period": {"min": 0, "max": 1_000_000},
    }
    features = {"version": 1, "data_contract": 1, "tabular_features": {"x0": {"type": "numeric"}}}
    return SplitJob(
        master=folder / "master.parquet",
        run_folder=folder / "run",
        reference=folder / "reference.parquet",
        contract=DataContract.model_validate(
            {"version": 1, "columns": columns, "primary_key": ["key"], "target": "price"}
        ),
        rules=SPLIT_RULES.validate_python(rules),
        features=FeatureSchema.model_validate(features),
        limits=DatasetLimits(in_memory_cells=0),
    )


if __name__ == "__main__":
    main()
