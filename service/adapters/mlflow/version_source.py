"""Which logged model a version's source leads to, however a person or their tool wrote it down.

People register `runs:/<id>/model`, a place below a run's artifacts, or a copy of another version. MLflow
takes each of them; the files are the logged model's in every case.
"""

import re
from typing import Final, NamedTuple

from domain.errors import ModelUnusable, NeverRetry
from service.adapters.mlflow.answer_types import MlflowAnswer, ModelInfo, ModelVersion, RunInfo
from service.adapters.mlflow.errors import says_absent, well_formed
from service.adapters.mlflow.rest import ORPHAN_TAG, MlflowRest, quoted

LOGGED_MODEL: Final = re.compile(r"models:/(m-[0-9a-f]{32})/?")
_VERSION: Final = re.compile(r"models:/([^/@]+)/([1-9][0-9]*)/?")
_OF_RUN: Final = re.compile(r"runs:/([0-9a-f]{32})/(.+)")
_LOCATION: Final = re.compile(r".+/models/(m-[0-9a-f]{32})/artifacts/?")
_READY: Final = "LOGGED_MODEL_READY"
_MOST_STEPS: Final = 10  # copies of copies


class VersionOrigin(NamedTuple):
    """Where a source leads: to a logged model, or else to a place."""

    source: str
    run_id: str | None
    model: ModelInfo | None = None


class VersionSources:
    """Follows sources. Raises ModelUnusable `model_missing` or `model_source_refused` for one without end."""

    def __init__(self, rest: MlflowRest) -> None:
        self._rest = rest

    async def origin(self, source: str, run_id: str | None) -> VersionOrigin:
        """Follow a source to its end; `run_id` is the run that its version names."""
        for _ in range(_MOST_STEPS):
            copied = _VERSION.fullmatch(source)
            if copied is None:
                return await self._end(source, run_id)
            version = await self._version(*copied.groups())
            source, run_id = version.get("source") or "", run_id or version.get("run_id") or None
        raise ModelUnusable("model_source_refused", "the version's source is an endless chain of copies")

    async def _end(self, source: str, run_id: str | None) -> VersionOrigin:
        if named := LOGGED_MODEL.fullmatch(source) or _LOCATION.fullmatch(source):
            return await self._of_id(named[1], source, run_id)
        if of_run := _OF_RUN.fullmatch(source):
            return await self._of_run(of_run[1], of_run[2])
        if source and run_id is not None:
            return await self._below_run(source, run_id)
        return VersionOrigin(source, run_id)

    async def _of_id(self, model_id: str, source: str, run_id: str | None) -> VersionOrigin:
        answer = await self._asked("model_missing", f"logged-models/{model_id}", model_id)
        with well_formed("logged-models"):
            info = answer["model"]["info"]
        is_it = LOGGED_MODEL.fullmatch(source) or info.get("artifact_uri") == source.rstrip("/")
        return _at_model(info, run_id) if is_it else VersionOrigin(source, run_id)

    async def _of_run(self, run_id: str, path: str) -> VersionOrigin:
        run = await self._run(run_id)
        return await self._named(run, path.strip("/"))

    async def _below_run(self, source: str, run_id: str) -> VersionOrigin:
        """Such as `mlflow-artifacts:/1/<run>/artifacts/model`."""
        run = await self._run(run_id)
        root = f"{run['artifact_uri'].rstrip('/')}/"
        if not source.startswith(root):
            return VersionOrigin(source, run_id)
        return await self._named(run, source.removeprefix(root).strip("/"))

    async def _named(self, run: RunInfo, name: str) -> VersionOrigin:
        """The newest whole model of that name, as MLflow chooses; without one the run's own artifacts."""
        body = {
            "experiment_ids": [run["experiment_id"]],
            "filter": f"name = {quoted(name)} AND source_run_id = {quoted(run['run_id'])}",
        }
        answer = await self._rest.post("logged-models/search", body)
        with well_formed("logged-models/search"):
            found = [model["info"] for model in answer.get("models", []) if _is_whole(model["info"])]
            newest = max(found, key=lambda info: int(info["creation_timestamp_ms"]), default=None)
        if newest is None:
            return VersionOrigin(f"{run['artifact_uri'].rstrip('/')}/{name}", run["run_id"])
        return _at_model(newest, run["run_id"])

    async def _run(self, run_id: str) -> RunInfo:
        answer = await self._asked("model_source_refused", "runs/get", run_id, run_id=run_id)
        with well_formed("runs/get"):
            info = answer["run"]["info"]
            return RunInfo(
                run_id=str(info["run_id"]),
                experiment_id=str(info["experiment_id"]),
                artifact_uri=str(info["artifact_uri"]),
            )

    async def _version(self, name: str, version: str) -> ModelVersion:
        asked = {"name": name, "version": version}
        answer = await self._asked("model_source_refused", "model-versions/get", name, **asked)
        with well_formed("model-versions/get"):
            return answer["model_version"]

    async def _asked(self, reason: str, endpoint: str, what: str, **query: str) -> MlflowAnswer:
        try:
            return await self._rest.get(endpoint, **query)
        except NeverRetry as error:
            if says_absent(error, what):
                raise ModelUnusable(
                    reason,
                    f"the version's source leads to {what}, which MLflow does not have",
                    missing=what,
                ) from error
            raise


def tags_of(info: ModelInfo) -> dict[str, str]:
    """The tags of a logged model."""
    return {tag["key"]: tag.get("value", "") for tag in info.get("tags", [])}


def _at_model(info: ModelInfo, run_id: str | None) -> VersionOrigin:
    return VersionOrigin(f"models:/{info['model_id']}", run_id or info.get("source_run_id") or None, info)


def _is_whole(info: ModelInfo) -> bool:
    return info.get("status") == _READY and ORPHAN_TAG not in tags_of(info)
