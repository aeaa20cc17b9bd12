"""One server's reloader on a real MLflow."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domain.ports.model_registry import ModelRegistry
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.model_cache import ModelCache
from service.clock import SystemClock
from service.inference.last_verified import LastVerified
from service.inference.loading import ModelLoader, Verifier
from service.inference.reloading import Reloader
from service.inference.served_model import Serving
from service.patience import RetryPolicy
from tests.registered_models import ROWS, ModelShelf


@dataclass
class Replica:
    """A server without its HTTP door. `folder` outlives it, as a disk does."""

    shelf: ModelShelf
    folder: Path
    verifier: Verifier | None = None
    access: MlflowAccess | None = None
    registry: ModelRegistry | None = None
    serving: Serving = field(default_factory=Serving)

    def __post_init__(self) -> None:
        self.loader = ModelLoader(
            self.access or self.shelf.access, ModelCache(self.folder), SystemClock(), self.verifier
        )
        self.reloader = Reloader(
            self.registry or self.shelf.registry,
            self.loader,
            LastVerified(self.folder / "last_verified.json"),
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
