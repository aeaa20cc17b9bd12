"""Where everything of the data is, below one data root."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DataLayout:
    """Where the datasets and the runs' own folders are, below one data root."""

    data_root: Path

    @property
    def master(self) -> Path:
        """The growing dataset that the data pipeline appends to."""
        return self.data_root / "processed" / "master.parquet"

    def reference(self, split_version: int) -> Path:
        """The reference set of a split version: made once, never rewritten."""
        return self.data_root / "reference" / "tests" / f"v{split_version}" / "test_reference.parquet"

    def published(self, split_version: int) -> Path:
        """The shared copy of a split, for others to look at."""
        return self.data_root / "splits" / f"v{split_version}"

    @property
    def runs(self) -> Path:
        """Where the runs' own folders are."""
        return self.data_root / "runs"

    def run(self, run_id: str) -> Path:
        """The folder that belongs to one run alone."""
        return self.runs / run_id

    @property
    def champions(self) -> Path:
        """Fetched models, by digest."""
        return self.data_root / "cache" / "models"
