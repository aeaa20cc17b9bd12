"""A warm child process that builds models, so that the process that serves can go on answering."""

import asyncio
import io
import pickle
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final

import structlog

from domain.errors import ModelUnusable, Stop, TryLater
from service.adapters.sklearn.row_prediction import RowPredictor
from service.children.pool import Children
from service.children.settings import ChildSettings
from service.tasks.model_folder import ModelFolder

_NAME: Final = "loading"
_TASK: Final = "service.tasks.build_model:build_model"
_PRELOAD: Final = (
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.impute",
    "sklearn.linear_model",
    "sklearn.pipeline",
    "service.tasks.build_model",
)
_NO_CHILD: Final = "child_not_ready"
_SECONDS: Final = 120.0  # longest time in which a model is built
_MEMORY: Final = 16 << 30
# Where the parts of our models come from. The child is ours, but a model could have misused it.
_LIBRARIES: Final = frozenset({"lightgbm", "numpy", "scipy", "sklearn", "xgboost"})
_OTHERS: Final = frozenset(
    {
        ("builtins", "bytearray"),
        ("collections", "OrderedDict"),
        ("collections", "defaultdict"),
        ("service.adapters.sklearn.row_preparation", "RowPreparation"),
        ("service.adapters.sklearn.row_preparation", "_Codes"),
        ("service.adapters.sklearn.row_preparation", "_Numbers"),
    }
)

log = structlog.get_logger("laurel.inference")


def build_here(folder: Path, manifest: Mapping[str, str], trusted_types: Sequence[str]) -> RowPredictor:
    """Build a model in this process. Raises ModelUnusable."""
    return RowPredictor.of(ModelFolder(str(folder), manifest).open(trusted_types)[0])


class LoadingChild:
    """Builds the first model here, while nothing is served yet, and others in a child once there is one.

    The child takes two seconds of processor time to start, so it waits for a calm moment behind the first
    model. Make it in a running event loop, and `stop` it at its end.
    """

    def __init__(self, *, calm_seconds: float = 10.0) -> None:
        self._loop = asyncio.get_running_loop()
        self._calm_seconds = calm_seconds
        self._children = Children(ChildSettings(preload=_PRELOAD), names=[_NAME])
        self._starting: Future[None] | None = None
        self._is_ready = threading.Event()

    def build(self, folder: Path, manifest: Mapping[str, str], trusted_types: Sequence[str]) -> RowPredictor:
        """Build a model; for the loading thread, which it blocks.

        Raises ModelUnusable; TryLater when the child died of it. Where there is no child it is built here,
        which only costs those who ask meanwhile.
        """
        if not self._is_ready.is_set():
            predictor = build_here(folder, manifest, trusted_types)
            if self._starting is None:
                self._starting = asyncio.run_coroutine_threadsafe(self._start(), self._loop)
            return predictor
        arguments = {"folder": str(folder), "manifest": dict(manifest), "trusted_types": list(trusted_types)}
        try:
            built = asyncio.run_coroutine_threadsafe(self._run(arguments), self._loop).result()
        except (OSError, Stop, TryLater) as error:
            if isinstance(error, TryLater) and error.reason != _NO_CHILD:
                raise
            log.warning("no_loading_child", problem=str(error))
            return build_here(folder, manifest, trusted_types)
        return RowPredictor(*_read(built, trusted_types))

    @property
    def pid(self) -> int | None:
        """The process that builds; None while there is none."""
        return self._children.pids().get(f"0.{_NAME}")

    async def stop(self) -> None:
        """End the child."""
        if self._starting is not None:
            self._starting.cancel()
        await self._children.stop()

    async def _start(self) -> None:
        await asyncio.sleep(self._calm_seconds)
        try:
            await self._children.start()
        except (OSError, Stop, TryLater) as error:
            log.warning("no_loading_child", problem=str(error))
        else:
            self._is_ready.set()

    async def _run(self, arguments: Mapping[str, Any]) -> bytes:
        async with self._children.lease() as children:
            built: bytes = await children.run(
                _NAME, _TASK, timeout_seconds=_SECONDS, memory_bytes=_MEMORY, **arguments
            )
            return built


class _Parts(pickle.Unpickler):
    def __init__(self, built: bytes, trusted_types: Sequence[str]) -> None:
        super().__init__(io.BytesIO(built))
        self._trusted_types = trusted_types

    def find_class(self, module: str, name: str) -> Any:
        is_known = module.partition(".")[0] in _LIBRARIES or (module, name) in _OTHERS
        if is_known or f"{module}.{name}" in self._trusted_types:
            return super().find_class(module, name)
        raise ModelUnusable("untrusted_type", f"the model holds {module}.{name}, which is no part of ours")


def _read(built: bytes, trusted_types: Sequence[str]) -> tuple[Any, Any]:
    preparation, estimator = _Parts(built, trusted_types).load()
    return preparation, estimator
