"""Split FOLDER/master.parquet as a stream, and print the most anonymous memory held meanwhile, in bytes."""

import sys
import threading
from pathlib import Path

from service.tasks.split import split

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
    columns = {
        "key": {"type": "int"},
        "place": {"type": "int"},
        "price": NUMBER,
        "x0": {"type": "float", "min": 0},
    }
    gauge = Gauge()
    gauge.start()
    split(
        master=str(folder / "master.parquet"),
        run_folder=str(folder / "run"),
        reference_path=str(folder / "reference.parquet"),
        contract={"version": 1, "columns": columns, "primary_key": ["key"], "target": "price"},
        split={
            "version": 1,
            "data_contract": 1,
            "split_strategy": "geographic",
            "geographic_column": "place",
            "periodic_column": "key",
            "test_localities": [3, 4],
            "reference_test_period": {"min": 0, "max": 1_000_000},
        },
        features={"version": 1, "data_contract": 1, "tabular_features": {"x0": {"type": "numeric"}}},
        limits={"in_memory_cells": 0},
    )
    gauge.stop()
    sys.stdout.write(f"{gauge.peak}\n")


if __name__ == "__main__":
    main()
