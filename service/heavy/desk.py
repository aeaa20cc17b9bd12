"""Where heavy work is handed to a child: which task, in which child, within which limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol


class RunsTasks(Protocol):
    """What the warm children offer; a task is named "package.module:function"."""

    async def run(self, child: str, task: str, /, **arguments: Any) -> Any:
        """Run a task in the named child. Raises the domain's errors."""


TASKS: Mapping[str, str] = MappingProxyType(
    {
        "inspect_master": "service.tasks.inspect_master:inspect_master",
        "check_model": "service.tasks.check_model:check_model",
        "split": "service.tasks.split:split",
        "verify_parts": "service.tasks.split_parts:verify_parts",
        "publish": "service.tasks.split_parts:publish_split",
        "version": "service.tasks.version:version",
        "look_at_remote": "service.tasks.version:look_at_remote",
        "train": "service.tasks.train:train",
        "verify": "service.tasks.verify:verify",
        "score": "service.tasks.score:score",
        "compare": "service.tasks.compare:compare",
        "count_trained": "service.tasks.count_trained:count_trained",
        "fetch": "service.tasks.fetch_model:fetch",
        "upload": "service.tasks.upload_model:upload",
        "upload_files": "service.tasks.upload_model:upload_files",
        "upload_texts": "service.tasks.upload_model:upload_texts",
        "draw": "service.tasks.pictures:draw",
    }
)


@dataclass(frozen=True)
class Desk:
    """The children of one lifecycle, with the limits of one task. `tasks` can be others in a test."""

    children: RunsTasks
    timeout_seconds: float
    memory_bytes: int
    tasks: Mapping[str, str] = field(default_factory=lambda: TASKS)

    async def run(self, child: str, task: str, /, **arguments: Any) -> Any:
        """Run the task of that name; `train` and `side` are the two children of a lifecycle.

        `on_progress` among the arguments is told what the task reports on its way.
        """
        return await self.children.run(
            child,
            self.tasks[task],
            timeout_seconds=self.timeout_seconds,
            memory_bytes=self.memory_bytes,
            **arguments,
        )


@dataclass(frozen=True)
class Places:
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
