"""Reload: what the alias names now is loaded beside what is served, and takes its place when all was checked.

One load at a time, in a thread of its own; whatever fails, the old model goes on. How reloads end is counted
for every caller, and the last one's problem is kept.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Final

import structlog

from domain.errors import LaurelError, ModelUnusable, NeverRetry, TryLater
from domain.package_tags import GENERATION_TAG
from domain.ports.clock import Clock
from domain.ports.model_registry import ModelRegistry
from service.processes.threads import OneAtATime
from service.runtime.retry import RetryPolicy
from service.serving.champion import LastVerified, RegisteredChampion, read_champion
from service.serving.loading import ModelLoader
from service.serving.served_model import ServedModel, Serving
from service.serving.serving_metrics import InferenceMetrics
from service.serving.unloadable import DiedOfModel, UnloadableVersions

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


class UnknownGeneration(NeverRetry):
    """The caller names a later generation than the registry: no worker has promoted that version so."""


@dataclass(frozen=True)
class ReloadOutcome:
    """What came of a reload. `model` is what is served now, `message` says why it was refused."""

    status: Status
    model: ServedModel
    message: str = ""


class Reloader:
    """Swaps what `serving` serves.

    `remembered` is where a start without MLflow finds the last model, `unloadable` knows which versions
    nobody tries to load any more.
    """

    def __init__(
        self,
        registry: ModelRegistry,
        loader: ModelLoader,
        remembered: LastVerified,
        unloadable: UnloadableVersions,
        serving: Serving,
        model_name: str,
        clock: Clock,
        start_policy: RetryPolicy = _START,
        longest_load_seconds: float = _LONGEST_SECONDS,
    ) -> None:
        self._registry = registry
        self._loader = loader
        self._remembered = remembered
        self._unloadable = unloadable
        self._serving = serving
        self._model_name = model_name
        self._clock = clock
        self._start_policy = start_policy
        self._turn = asyncio.Lock()
        self._loading = OneAtATime(longest_load_seconds)
        serving.unloadable = tuple(unloadable.marks)

    async def reload(self, guard: Guard | None = None) -> ReloadOutcome:
        """Serve what the alias names now, unless the guard says that the caller or the alias is behind.

        Raises UnknownGeneration (the guard is of the future), ModelUnusable (the version cannot be served to
        any caller), TryLater (MLflow or the disk is away, there is no champion), NeverRetry (MLflow refuses).
        In each case the old model goes on.
        """
        async with self._turn:
            if guard and (served := self._serving.model) and (known := _known(guard, served)):
                return known
            champion = await read_champion(self._registry, self._model_name)
            is_told = guard is not None and guard.version == champion.version
            if guard and is_told:
                _require_borne(guard, champion)
                champion = champion.model_copy(update={"generation": guard.generation})
            served = self._serving.model
            if served and (known := _no_news(champion, served, guarded=guard is not None)):
                if known.status is Status.ALREADY_SERVED:
                    self._serving.serve(replace(served, is_told=True) if is_told else served)
                return known
            model = await self._model_of(champion, served)
            model = replace(model, is_told=is_told)
            self._serving.serve(model)
            await self._loading.run(lambda: self._remembered.write(champion))
            log.info("model_served", version=model.version, generation=model.generation)
            return ReloadOutcome(Status.RELOADED, model)

    async def _model_of(self, champion: RegisteredChampion, served: ServedModel | None) -> ServedModel:
        """What is served already, if only its generation is another one, else what the loader fetches."""
        if served and _files(champion) == _files(served):
            return replace(served, generation=champion.generation)
        return await self._loaded(champion, self._loader.fetch)

    async def _loaded(
        self, champion: RegisteredChampion, load: Callable[[RegisteredChampion], ServedModel]
    ) -> ServedModel:
        """Load a version that nobody has died of. Raises ModelUnusable, TryLater."""
        try:
            self._unloadable.require_unmarked(champion)
            model = await self._loading.run(lambda: load(champion))
        except DiedOfModel as death:
            await self._loading.run(partial(self._unloadable.mark, champion, death))
            self._serving.unloadable = tuple(self._unloadable.marks)
            raise
        return model

    async def watch_start(self, reload: Callable[[], Awaitable[ReloadOutcome]] | None = None) -> None:
        """Keep trying until the champion is served; meanwhile serve the last verified model, as stale.

        `reload` is how each try is made, where somebody counts them.
        """
        for pause in self._start_policy.pauses():
            if self._serving.model is not None and not self._serving.stale:
                return
            try:
                await (reload or self.reload)()
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
                champion = await self._loading.run(lambda: self._remembered.read(self._model_name))
                if champion is None:
                    return
                model = await self._loaded(champion, self._loader.recall)
            except LaurelError as error:
                log.warning("last_model_unusable", reason=error.reason, problem=error.message)
                return
            self._serving.serve(model, stale=True)
            log.warning("stale_model_served", version=model.version, generation=model.generation)


def _known(guard: Guard, served: ServedModel) -> ReloadOutcome | None:
    """What the guard alone says, before anybody is asked.

    A generation that only a tag named refuses nobody: a writer to MLflow could put any number there.
    """
    serves = served.generation or 0
    if served.is_told and guard.generation < serves:
        said = f"generation {guard.generation} is older than {serves}, which is served"
        return ReloadOutcome(Status.OUTDATED, served, said)
    if served.is_told and (guard.generation, guard.version) == (serves, served.version):
        return ReloadOutcome(Status.ALREADY_SERVED, served)
    return None


def _require_borne(guard: Guard, champion: RegisteredChampion) -> None:
    """A later generation than the tag's would pin the server; an earlier one corrects a tag that lies.

    Raises UnknownGeneration.
    """
    borne = champion.generation
    if guard.generation > (borne or 0):
        raise UnknownGeneration(
            "unknown_generation",
            f"the registry does not know generation {guard.generation}: the tag {GENERATION_TAG} of version "
            f"{guard.version} {f'says {borne}' if borne else 'is missing'}; a worker writes it when it "
            "promotes, before it announces",
        )


def _no_news(champion: RegisteredChampion, served: ServedModel, *, guarded: bool) -> ReloadOutcome | None:
    """What the registry says, if there is nothing to load."""
    names, serves = champion.generation or 0, served.generation or 0
    if guarded and served.is_told and names < serves:
        said = f"the alias names generation {names}, {serves} is served: it has not followed yet"
        return ReloadOutcome(Status.ALIAS_BEHIND, served, said)
    if (*_files(champion), champion.generation) == (*_files(served), served.generation):
        return ReloadOutcome(Status.ALREADY_SERVED, served)
    return None


def _files(model: RegisteredChampion | ServedModel) -> tuple[int, str, str | None]:
    return model.version, model.digest, model.run_id


class CountedReloader:
    """A Reloader that is seen from outside."""

    def __init__(self, reloader: Reloader, metrics: InferenceMetrics) -> None:
        self.problem: str | None = None
        self._reloader = reloader
        self._metrics = metrics

    async def reload(self, guard: Guard | None = None) -> ReloadOutcome:
        """Reload, and remember what came of it."""
        try:
            outcome = await self._reloader.reload(guard)
        except UnknownGeneration:  # the caller's fault: nothing is wrong with this server
            self._metrics.reloaded("unknown_generation")
            raise
        except (NeverRetry, TryLater) as error:
            self.problem = error.message
            self._metrics.reloaded("unavailable" if isinstance(error, TryLater) else "refused")
            raise
        self.problem = None
        self._metrics.reloaded(outcome.status.value)
        return outcome

    async def watch_start(self) -> None:
        """Keep trying until the champion is served; each try counts."""
        await self._reloader.watch_start(self.reload)
