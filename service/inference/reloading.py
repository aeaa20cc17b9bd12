"""Reload: what the alias names now is loaded beside what is served, and takes its place when all was checked.

One load at a time, in a thread of its own; whatever fails, the old model goes on.
"""

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import structlog

from domain.errors import LaurelError, ModelUnusable, NeverRetry, TryLater
from domain.ports.clock import Clock
from domain.ports.model_registry import ModelRegistry
from service.inference.champion import Champion, read_champion
from service.inference.last_verified import LastVerified
from service.inference.loading import ModelLoader
from service.inference.served_model import ServedModel, Serving
from service.patience import RetryPolicy
from service.threads import OneAtATime

_START: Final = RetryPolicy(first_pause=0.5, longest_pause=15.0)
_LONGEST_SECONDS: Final = 3600.0  # every transfer ends by itself: this is for what nobody has thought of

log = structlog.get_logger()


@dataclass(frozen=True)
class Guard:
    """What the caller of a reload believes to be production."""

    generation: int
    version: int


class Status(StrEnum):
    """How a reload ended, when it did not fail."""

    RELOADED = "reloaded"
    ALREADY_SERVED = "already_served"
    OUTDATED = "outdated"  # the caller is behind what is served
    ALIAS_BEHIND = "alias_behind"  # the alias is


@dataclass(frozen=True)
class Outcome:
    """What came of a reload. `model` is what is served now, `message` says why it was refused."""

    status: Status
    model: ServedModel
    message: str = ""


class Reloader:
    """Swaps what `serving` serves. `remembered` is where a start without MLflow finds the last model."""

    def __init__(
        self,
        registry: ModelRegistry,
        loader: ModelLoader,
        remembered: LastVerified,
        serving: Serving,
        model_name: str,
        clock: Clock,
        start_policy: RetryPolicy = _START,
        longest_load_seconds: float = _LONGEST_SECONDS,
    ) -> None:
        self._registry = registry
        self._loader = loader
        self._remembered = remembered
        self._serving = serving
        self._model_name = model_name
        self._clock = clock
        self._start_policy = start_policy
        self._turn = asyncio.Lock()
        self._loading = OneAtATime(longest_load_seconds)

    async def reload(self, guard: Guard | None = None) -> Outcome:
        """Serve what the alias names now, unless the guard says that the caller or the alias is behind.

        Raises ModelUnusable (the version cannot be served, whoever asks), TryLater (MLflow or the disk is
        away, there is no champion), NeverRetry (MLflow refuses). In each case the old model goes on.
        """
        async with self._turn:
            if guard and (served := self._serving.model) and (known := _known(guard, served)):
                return known
            champion = await read_champion(self._registry, self._model_name)
            served = self._serving.model
            if served and (known := _no_news(champion, served, guarded=guard is not None)):
                if known.status is Status.ALREADY_SERVED:
                    self._serving.serve(served)
                return known
            model = await self._loading.run(lambda: self._loader.fetch(champion))
            self._serving.serve(model)
            await self._loading.run(lambda: self._remembered.write(champion))
            log.info("model_served", version=model.version, generation=model.generation)
            return Outcome(Status.RELOADED, model)

    async def watch_start(self) -> None:
        """Keep trying until the champion is served; meanwhile serve the last verified model, as stale."""
        for pause in self._start_policy.pauses():
            if self._serving.model is not None and not self._serving.stale:
                return
            try:
                await self.reload()
            except (ModelUnusable, NeverRetry, TryLater) as error:
                log.warning("champion_not_loaded", reason=error.reason, problem=error.message)
                if error.reason != "no_champion":
                    await self._serve_last_verified()
                await self._clock.sleep(pause)

    async def _serve_last_verified(self) -> None:
        async with self._turn:
            if self._serving.model is not None:
                return
            try:
                model = await self._loading.run(self._recall)
            except LaurelError as error:
                log.warning("last_model_unusable", reason=error.reason, problem=error.message)
                return
            if model is not None:
                self._serving.serve(model, stale=True)
                log.warning("stale_model_served", version=model.version, generation=model.generation)

    def _recall(self) -> ServedModel | None:
        champion = self._remembered.read(self._model_name)
        return None if champion is None else self._loader.recall(champion)


def _known(guard: Guard, served: ServedModel) -> Outcome | None:
    """What the guard alone says, before anybody is asked."""
    serves = served.generation or 0
    if guard.generation < serves:
        said = f"generation {guard.generation} is older than {serves}, which is served"
        return Outcome(Status.OUTDATED, served, said)
    if (guard.generation, guard.version) == (serves, served.version):
        return Outcome(Status.ALREADY_SERVED, served)
    return None


def _no_news(champion: Champion, served: ServedModel, *, guarded: bool) -> Outcome | None:
    """What the registry says, if there is nothing to load."""
    names, serves = champion.generation or 0, served.generation or 0
    if guarded and names < serves:
        said = f"the alias names generation {names}, {serves} is served: it has not followed yet"
        return Outcome(Status.ALIAS_BEHIND, served, said)
    same = (champion.version, champion.generation, champion.digest, champion.run_id)
    if same == (served.version, served.generation, served.digest, served.run_id):
        return Outcome(Status.ALREADY_SERVED, served)
    return None
