"""A warm child process that builds models and asks them: it is what a bad one breaks, not the server."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from domain.errors import LaurelError, Stop, TryLater
from domain.model_types import preloaded_modules
from service.adapters.sklearn.row_prediction import RowPredictor
from service.processes import failures
from service.processes.child_settings import ForkSettings
from service.processes.limits import OUT_OF_MEMORY
from service.processes.pool import Children
from service.serving.handed_over import handed_over
from service.serving.unloadable import UNLOADABLE, DiedOfModel

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
