"""A server that serves a good model while something bad is promoted."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from domain.errors import NeverRetry
from service.serving.reloading import Guard
from service.serving.served_model import ServedModel
from tests.chaos.figures import FIGURES
from tests.worlds.loading import Replica
from tests.worlds.registered_models import ModelShelf, Registered, on_disk

Package = dict[str, bytes]
FILES = (
    "MLmodel",
    "conda.yaml",
    "laurel/data_contract.json",
    "laurel/feature_schema.json",
    "laurel/golden_rows.json",
    "laurel/model_definition.json",
    "laurel/target.json",
    "laurel/training_ranges.json",
    "model.skops",
    "python_env.yaml",
    "requirements.txt",
)
GOLDEN = "laurel/golden_rows.json"


@dataclass
class Scene:
    """A server that serves generation 1, and what it takes to promote something bad as generation 2."""

    shelf: ModelShelf
    replica: Replica
    good: Registered
    package: Package  # of generation 2
    other: Package
    artifacts: Path  # the MLflow server's own disk

    def __post_init__(self) -> None:
        self.before = self.model
        self.answers = self.replica.answers()

    @property
    def model(self) -> ServedModel:
        assert self.replica.serving.model is not None
        return self.replica.serving.model

    async def refused(self, bad: Registered, *, only_guarded: bool = False) -> str:
        """Promote it, reload with and without a guard, and return why it was refused."""
        await self.shelf.point(bad)
        reasons, guarded = set(), Guard(2, bad.version.version)
        for guard in (guarded,) if only_guarded else (guarded, None):
            with pytest.raises(NeverRetry) as refusal:
                await self.replica.reloader.reload(guard)
            reasons.add(refusal.value.reason)
            assert refusal.value.message
        self.require_old_model()
        FIGURES.add("tampered artifacts refused")
        assert len(reasons) == 1
        return reasons.pop()

    def require_old_model(self) -> None:
        assert self.model is self.before
        assert self.replica.answers() == self.answers
        assert not self.replica.serving.stale

    def on_disk(self, made: Registered, path: str) -> Path:
        return on_disk(self.artifacts, made.model) / path


def left(mark: Path) -> bool:
    return mark.exists()


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def link(file: Path, to: Path) -> None:
    file.unlink()
    file.symlink_to(to)
