"""One server's reloader on a real MLflow."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domain.ports.model_registry import ModelRegistry
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.model_cache import ModelCache
from service.runtime.clock import SystemClock
from service.runtime.retry import RetryPolicy
from service.serving.champion import LastVerified
from service.serving.loading import BuildModel, ModelLoader, Verifier
from service.serving.reloading import Reloader
from service.serving.served_model import Serving
from service.serving.unloadable import UnloadableVersions
from tests.worlds.built_here import build_here
from tests.worlds.registered_models import ROWS, ModelShelf


@dataclass
class Replica:
    """A server without its HTTP door. `folder` outlives it, as a disk does."""

    shelf: ModelShelf
    folder: Path
    verifier: Verifier | None = None
    access: MlflowAccess | None = None
    registry: ModelRegistry | None = None
    serving: Serving = field(default_factory=Serving)
    build: BuildModel = build_here

    def __post_init__(self) -> None:
        self.loader = ModelLoader(
            self.access or self.shelf.access,
            ModelCache(self.folder),
            SystemClock(),
            self.build,
            self.verifier,
        )
        self.reloader = Reloader(
            self.registry or self.shelf.registry,
            self.loader,
            LastVerified(self.folder / "last_verified.json"),
            UnloadableVersions(self.folder / "unloadable.json", SystemClock()),
            self.serving,
            self.shelf.model_name,
            SystemClock(),
            RetryPolicy(first_pause=0.02, longest_pause=0.1),
        )

    @property
    def served(self) -> tuple[int, int | None] | None:
        """Version and generation."""
        model = self.serving.model
        return None if model is None else (model.version, model.generation)

    def answers(self, rows: Sequence[dict[str, Any]] = ROWS) -> list[float]:
        assert self.serving.model is not None
        return self.serving.model.predict(rows)
