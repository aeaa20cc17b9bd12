"""What a run needs of MLflow beyond an answer: an experiment, a registry to read, a place for files."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final

from config.settings import Settings
from domain.errors import LaurelError, NeverRetry
from domain.ports.champion_history import ChampionHistory
from domain.ports.model_registry import ModelRegistry
from service.adapters.mlflow.artifact_store import probe_artifacts
from service.adapters.mlflow.experiments import Experiments
from service.adapters.mlflow.model_registry import MlflowModelRegistry
from service.adapters.mlflow.rest import MlflowRest
from service.cli.findings import Finding
from service.lifecycle.registry import open_mlflow

_MOST_LOOKED_AT: Final = 20  # generations, for one whose version is still there
_RESTORE: Final = "restore MLflow's database; else"
_ACCEPT: Final = "`laurel ledger accept --reason …`"
_OLDEST: Final = "0"  # the experiment that a server makes itself: the artifacts of others lie beside its own


async def mlflow_findings(settings: Settings) -> list[Finding]:
    """Look at each, one after another; for an MLflow that answers."""
    async with open_mlflow(settings) as rest:
        return [finding async for finding in _findings(rest, settings)]


async def without_alias(
    model_name: str, alias: str, history: ChampionHistory, registry: ModelRegistry
) -> Finding:
    """No champion yet, or one that the registry has lost; then an earlier one that it holds is named."""
    reigns = await history.page(_MOST_LOOKED_AT)
    if not reigns:
        return Finding("champion", ok=True, found="there is none yet")
    head = reigns[0].entry
    if await registry.version(model_name, head.version) is not None:
        found = f"the alias is missing; the ledger names version {head.version}"
        return Finding("champion", ok=False, found=found, fix="start a worker: it sets the alias again")
    found = f"the registry has lost {model_name} version {head.version}, which the ledger names"
    for reign in reigns[1:]:
        entry = reign.entry
        held = await registry.version(model_name, entry.version)
        if held is not None and held.mlflow_run_id == entry.mlflow_run_id:
            left = f"version {entry.version} (generation {entry.generation}), which is still there"
            return Finding("champion", ok=False, found=found, fix=f"{_RESTORE} {_ACCEPT} goes on with {left}")
    fix = f"{_RESTORE} point the alias {alias!r} at a complete version, and {_ACCEPT} goes on with it"
    return Finding("champion", ok=False, found=found, fix=fix)


async def _findings(rest: MlflowRest, settings: Settings) -> AsyncIterator[Finding]:
    name, experiment = settings.mlflow_experiment, None
    try:
        experiment = await Experiments(rest, name).look()
        found = f"{name} is there" if experiment else f"{name} does not exist yet: the first run creates it"
        yield Finding("experiment", ok=True, found=found)
    except LaurelError as error:
        yield _failed("experiment", error, "give Laurel's user access to it, or correct MLFLOW_EXPERIMENT")
    yield await _model(rest, settings)
    yield await _artifacts(rest, experiment)


async def _model(rest: MlflowRest, settings: Settings) -> Finding:
    name = settings.mlflow_model_name
    try:
        await MlflowModelRegistry(rest, settings.mlflow.alias).alias_version(name)
    except LaurelError as error:
        return _failed(
            "registered model", error, "give Laurel's user access to it, or correct MLFLOW_MODEL_NAME"
        )
    return Finding("registered model", ok=True, found=f"{name} can be read")


async def _artifacts(rest: MlflowRest, experiment: Mapping[str, object] | None) -> Finding:
    """Write where a run's artifacts would go."""
    try:
        place = str((experiment or await _oldest(rest)).get("artifact_location") or "")
        if not place:
            return Finding("artifacts", ok=True, found="the first run decides where they go")
        await asyncio.to_thread(probe_artifacts, place, rest.access)
    except LaurelError as error:
        return _failed(
            "artifacts", error, "let MLflow's server, or the uploading client, read and write there"
        )
    return Finding("artifacts", ok=True, found=f"{place} can be written and read")


async def _oldest(rest: MlflowRest) -> Mapping[str, object]:
    try:
        answer = await rest.get("experiments/get", experiment_id=_OLDEST)
    except NeverRetry:
        return {}
    return dict(answer.get("experiment") or {})


def _failed(what: str, error: LaurelError, fix: str) -> Finding:
    advice = str(error.facts.get("advice") or "")
    return Finding(what, ok=False, found=error.message.removesuffix(f"; {advice}"), fix=advice or fix)
