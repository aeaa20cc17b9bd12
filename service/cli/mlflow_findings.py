"""What a run needs of MLflow besides an answer: an experiment, a registry to read, a place for files."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from config.settings import Settings
from domain.errors import LaurelError, NeverRetry
from service.adapters.mlflow.artifact_probe import probe_artifacts
from service.adapters.mlflow.experiments import Experiments
from service.adapters.mlflow.model_registry import MlflowModelRegistry
from service.adapters.mlflow.rest import MlflowRest
from service.cli.findings import Finding
from service.settings_values import mlflow_access
from service.world import World

_OLDEST: Final = "0"  # the experiment that a server makes itself: the artifacts of others lie beside its own


async def mlflow_findings(settings: Settings) -> list[Finding]:
    """Look at each, one after another; for an MLflow that answers."""
    rest = MlflowRest(mlflow_access(settings))
    try:
        return [finding async for finding in _findings(rest, settings)]
    finally:
        await rest.close()


async def without_alias(world: World) -> Finding:
    """No champion yet, or one that the registry has lost."""
    head = await world.ledger.head(world.model_name)
    if head is None:
        return Finding("champion", well=True, found="there is none yet")
    if await world.registry.version(world.model_name, head.version) is not None:
        found = f"the alias is missing; the ledger says version {head.version}"
        return Finding("champion", well=False, found=found, mend="start a worker: it sets the alias again")
    found = f"the registry has lost {world.model_name} version {head.version}, which the ledger says"
    mend = "restore MLflow's database, or point the alias at a version that is whole"
    return Finding("champion", well=False, found=found, mend=mend)


async def _findings(rest: MlflowRest, settings: Settings) -> AsyncIterator[Finding]:
    name, experiment = settings.mlflow_experiment, None
    try:
        experiment = await Experiments(rest, name).look()
        found = f"{name} is there" if experiment else f"{name} is not there yet: the first run makes it"
        yield Finding("experiment", well=True, found=found)
    except LaurelError as error:
        yield _ill("experiment", error, "give Laurel's user access to it, or correct MLFLOW_EXPERIMENT")
    yield await _model(rest, settings)
    yield await _artifacts(rest, experiment)


async def _model(rest: MlflowRest, settings: Settings) -> Finding:
    name = settings.mlflow_model_name
    try:
        await MlflowModelRegistry(rest, settings.mlflow.alias).alias_version(name)
    except LaurelError as error:
        return _ill(
            "registered model", error, "give Laurel's user access to it, or correct MLFLOW_MODEL_NAME"
        )
    return Finding("registered model", well=True, found=f"{name} can be read")


async def _artifacts(rest: MlflowRest, experiment: Mapping[str, Any] | None) -> Finding:
    """Write where a run's artifacts would go."""
    try:
        place = str((experiment or await _oldest(rest)).get("artifact_location") or "")
        if not place:
            return Finding("artifacts", well=True, found="where they go is known from the first run on")
        await asyncio.to_thread(probe_artifacts, place, rest.access)
    except LaurelError as error:
        return _ill("artifacts", error, "let MLflow's server, or whoever uploads, write and read there")
    return Finding("artifacts", well=True, found=f"{place} can be written and read")


async def _oldest(rest: MlflowRest) -> Mapping[str, Any]:
    try:
        answer = await rest.get("experiments/get", experiment_id=_OLDEST)
    except NeverRetry:
        return {}
    return dict(answer.get("experiment") or {})


def _ill(what: str, error: LaurelError, mend: str) -> Finding:
    advice = str(error.facts.get("advice") or "")
    return Finding(what, well=False, found=error.message.removesuffix(f"; {advice}"), mend=advice or mend)
