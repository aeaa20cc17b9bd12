"""A warm child process that builds models and asks them: it is what a bad one breaks, not the server.

What it hands over is read so that nothing but the parts of our models comes of it. The child is ours, but a
model could have misused it: a library admits names that run whatever they are given.
"""

import asyncio
import io
import pickle
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from domain.errors import LaurelError, ModelUnusable, Stop, TryLater
from domain.model_types import MODEL_TYPES, preloaded_modules
from service.adapters.sklearn.row_prediction import FrameOfRows, RowPredictor
from service.adapters.sklearn.row_preparation import RowPreparation
from service.processes import failures
from service.processes.child_settings import ForkSettings
from service.processes.child_table import OUT_OF_MEMORY
from service.processes.pool import Children
from service.serving.unloadable import UNLOADABLE, DiedOfModel

_NAMES: Final[Mapping[str, Sequence[str]]] = {
    "builtins": ("bytearray", "slice"),
    "collections": ("OrderedDict", "defaultdict"),
    "numpy": ("asarray", "clip", "dtype", "expm1", "float64", "log1p", "nan_to_num", "ndarray"),
    "numpy._core.multiarray": ("_reconstruct", "scalar"),
    "numpy._core.numeric": ("_frombuffer",),
    "numpy.random._mt19937": ("MT19937",),
    "numpy.random._pcg64": ("PCG64",),
    "numpy.random._pickle": ("__bit_generator_ctor", "__generator_ctor", "__randomstate_ctor"),
    "numpy.random.bit_generator": ("SeedSequence", "__pyx_unpickle_SeedSequence"),
    "service.adapters.sklearn.row_prediction": ("FrameOfRows",),
    "service.adapters.sklearn.row_preparation": ("RowPreparation", "_Codes", "_Numbers"),
    "pandas": ("DataFrame", "Series"),
    "sklearn.compose._column_transformer": ("ColumnTransformer",),
    "sklearn.compose._target": ("TransformedTargetRegressor",),
    "sklearn.impute._base": ("SimpleImputer",),
    "sklearn.pipeline": ("Pipeline",),
    "sklearn.preprocessing._data": ("MinMaxScaler", "StandardScaler"),
    "sklearn.preprocessing._encoders": ("OneHotEncoder", "OrdinalEncoder"),
    "sklearn.preprocessing._function_transformer": ("FunctionTransformer",),
}


def admitted() -> frozenset[tuple[str, str]]:
    """(module, name) of every part that a model of ours may be made of."""
    of_types = {part for kind in MODEL_TYPES.values() for part in kind.parts}
    common = {(module, name) for module, names in _NAMES.items() for name in names}
    return frozenset(common | {(module, name) for module, _, name in (p.rpartition(".") for p in of_types)})


def handed_over(built: bytes, trusted_types: Sequence[str]) -> tuple[RowPreparation | FrameOfRows, object]:
    """Read the preparation and the estimator that a child built. Raises ModelUnusable `untrusted_type`."""
    preparation, estimator = _ModelParts(built, trusted_types).load()
    return preparation, estimator


class _ModelParts(pickle.Unpickler):
    def __init__(self, built: bytes, trusted_types: Sequence[str]) -> None:
        super().__init__(io.BytesIO(built))
        self._trusted_types = trusted_types
        self._admitted = admitted()

    def find_class(self, module: str, name: str) -> object:
        if (module, name) in self._admitted or f"{module}.{name}" in self._trusted_types:
            return super().find_class(module, name)
        raise ModelUnusable(
            "untrusted_type", f"the model holds {module}.{name}, which is not one of Laurel's types"
        )


_NAME: Final = "loading"
_TASK: Final = "service.models.build:build_model"
_PRELOAD: Final = (
    "sklearn.compose",
    "sklearn.impute",
    "sklearn.pipeline",
    *preloaded_modules(),
    "service.models.build",
)
_SECONDS: Final = 120.0  # longest time in which a model is built
_MEMORY: Final = 16 << 30
_DEATHS: Final = frozenset({failures.STEP_DIED, failures.STEP_TIMEOUT, OUT_OF_MEMORY})


class LoadingChild:
    """Builds each model in a child, which also answers the golden rows there.

    The child is started at once, as nothing is served before it is there. Make this in a running event loop,
    and `stop` it at its end.
    """

    def __init__(self, *, seconds: float = _SECONDS) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._children = Children(ForkSettings(preload=_PRELOAD), names=[_NAME])
        self._starting = self._loop.create_task(self._start())

    def build(self, folder: Path, manifest: Mapping[str, str], trusted_types: Sequence[str]) -> RowPredictor:
        """Build a model; for the loading thread, which it blocks.

        Raises ModelUnusable, and DiedOfModel when each child that tried has died; TryLater `child_not_ready`
        where there is none: a model is never built here, whose death would be the server's.
        """
        build = partial(
            self._run, folder=str(folder), manifest=dict(manifest), trusted_types=list(trusted_types)
        )
        try:
            try:
                built = self._built(build)
            except TryLater as error:
                if error.reason != failures.STEP_DIED:
                    raise
                # Somebody else may have killed it: the kernel for want of memory, an operator.
                built = self._built(build)
        except TryLater as error:
            if error.reason not in _DEATHS:
                raise
            raise DiedOfModel(
                UNLOADABLE, f"each process that tried to build it ended ({error.message})"
            ) from error
        return RowPredictor(*handed_over(built, trusted_types))

    @property
    def pid(self) -> int | None:
        """The process that builds; None while there is none."""
        return self._children.pids().get(f"0.{_NAME}")

    async def stop(self) -> None:
        """End the child."""
        self._starting.cancel()
        await self._children.stop()

    def _built(self, build: Callable[[], Coroutine[object, object, bytes]]) -> bytes:
        try:
            return asyncio.run_coroutine_threadsafe(build(), self._loop).result()
        except (OSError, Stop) as error:
            raise TryLater(
                failures.CHILD_NOT_READY,
                f"no process can be started to build a model: {error}",
                waiting_on="model",
            ) from error

    async def _start(self) -> None:
        """A caller that builds a model hears why there is no child, and tries again."""
        async with self._children.lease() as children:
            with suppress(OSError, LaurelError):
                await children.ready()

    async def _run(self, *, folder: str, manifest: dict[str, str], trusted_types: list[str]) -> bytes:
        async with self._children.lease() as children:
            built: bytes = await children.run(
                _NAME,
                _TASK,
                timeout_seconds=self._seconds,
                memory_bytes=_MEMORY,
                folder=folder,
                manifest=manifest,
                trusted_types=trusted_types,
            )
            return built
