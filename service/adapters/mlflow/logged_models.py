"""MLflow 3's logged models: one of record per run, named `model`."""

from collections.abc import Callable, Sequence
from typing import Final

from domain.models import LoggedModel, OpenedRun
from domain.package_tags import DIGEST_TAG, MANIFEST_TAG
from service.adapters.mlflow.answer_types import Model, Pair
from service.adapters.mlflow.errors import well_formed
from service.adapters.mlflow.rest import ORPHAN_TAG, MlflowRest, create_or_adopt, quoted
from service.adapters.mlflow.version_source import tags_of

NAME: Final = "model"
REPAIRS_TAG: Final = "laurel.repairs"  # the id of the model of the same run whose place this one takes
_SEARCH: Final = "logged-models/search"


class LoggedModels:
    """Finds, creates and finalizes the logged model of a run."""

    def __init__(self, rest: MlflowRest) -> None:
        self._rest = rest

    async def find_or_create(
        self,
        run: OpenedRun,
        params: Sequence[Pair],
        tags: Sequence[Pair],
        *,
        is_new: bool,
        on_created: Callable[[LoggedModel], None] | None = None,
    ) -> LoggedModel:
        """Find this run's model, or create it; and link it to the run's outputs."""
        found = None if is_new else await self._of_record(run)
        model = found or await self._create(run, params, tags)
        if on_created:
            on_created(model)
        if found is None or not await self._is_linked(run, model):
            await self._link(run, model, step=0)
        return model

    async def find_or_create_successor(self, run: OpenedRun, model_id: str) -> LoggedModel:
        """Find the model that stands in for this one, or create it with the same params and tags.

        MLflow's client takes the newest of that name where it loads, and that of the highest step where it
        registers: this one in both cases.
        """
        model = await self._of_record(run, model_id)
        if model is None:
            answer = await self._rest.get(f"logged-models/{model_id}")
            with well_formed("logged-models"):
                info = answer["model"].get("info", {})
                params, tags = answer["model"].get("data", {}).get("params", []), info.get("tags", [])
            kept = [tag for tag in tags if tag["key"] not in {MANIFEST_TAG, DIGEST_TAG}]
            tags = [*kept, {"key": REPAIRS_TAG, "value": model_id}]
            model = await self._create(run, params, tags, model_id)
        if not await self._is_linked(run, model):
            await self._link(run, model, step=1)
        return model

    async def tag(self, model_id: str, tags: Sequence[Pair]) -> None:
        """Set tags of a model. Safe to repeat."""
        if tags:
            await self._rest.patch("logged-models", f"{model_id}/tags", {"tags": tags})

    async def mark_ready(self, model_id: str) -> None:
        """Say that all of its files are there."""
        await self._rest.patch(
            "logged-models", model_id, {"model_id": model_id, "status": "LOGGED_MODEL_READY"}
        )

    async def drop_others(self, run: OpenedRun, model_id: str) -> None:
        """Drop all models of a run but one; those that stand in for another one are left alone.

        They are tagged and then deleted, not only tagged: `runs:/<id>/model` takes the newest of that name,
        and would otherwise find one without files.
        """
        for other in await self._of_run(run):
            if other.model_id != model_id:
                await self.tag(other.model_id, [{"key": ORPHAN_TAG, "value": "true"}])
                await self._rest.delete("logged-models", other.model_id)

    async def _of_record(self, run: OpenedRun, repairs: str | None = None) -> LoggedModel | None:
        models = await self._of_run(run, repairs)
        if len(models) > 1 and repairs is None:  # of two that stand in, either may have become a version
            await self.drop_others(run, models[0].model_id)
        return models[0] if models else None

    async def _of_run(self, run: OpenedRun, repairs: str | None = None) -> list[LoggedModel]:
        """All models of a run by that name, the earliest first; or those that stand in for `repairs`."""
        body = {
            "experiment_ids": [run.experiment_id],
            "filter": f"name = '{NAME}' AND source_run_id = {quoted(run.mlflow_run_id)}",
        }
        answer = await self._rest.post(_SEARCH, body)
        with well_formed(_SEARCH):
            models = sorted(answer.get("models", []), key=_age)
            return [_model(model) for model in models if tags_of(model["info"]).get(REPAIRS_TAG) == repairs]

    async def _create(
        self,
        run: OpenedRun,
        params: Sequence[Pair],
        tags: Sequence[Pair],
        repairs: str | None = None,
    ) -> LoggedModel:
        body = {
            "experiment_id": run.experiment_id,
            "name": NAME,
            "source_run_id": run.mlflow_run_id,
            "params": params,
            "tags": tags,
        }

        async def create() -> LoggedModel:
            answer = await self._rest.post("logged-models", body)
            with well_formed("logged-models"):
                return _model(answer["model"])

        return await create_or_adopt(create, lambda: self._of_record(run, repairs))

    async def _link(self, run: OpenedRun, model: LoggedModel, *, step: int) -> None:
        """Link it, unless another process has just done so: MLflow's database refuses a second link."""
        body = {"run_id": run.mlflow_run_id, "models": [{"model_id": model.model_id, "step": step}]}

        async def link() -> bool:
            await self._rest.post("runs/outputs", body)
            return True

        async def linked() -> bool | None:
            return await self._is_linked(run, model) or None

        await create_or_adopt(link, linked)

    async def _is_linked(self, run: OpenedRun, model: LoggedModel) -> bool:
        """Look before linking: MLflow refuses to be told twice."""
        answer = await self._rest.get("runs/get", run_id=run.mlflow_run_id)
        with well_formed("runs/get"):
            linked = answer["run"].get("outputs", {}).get("model_outputs", [])
            return any(output["model_id"] == model.model_id for output in linked)


def _age(model: Model) -> tuple[int, str]:
    info = model["info"]
    return int(info["creation_timestamp_ms"]), info["model_id"]


def _model(model: Model) -> LoggedModel:
    info = model["info"]
    model_id = str(info["model_id"])
    return LoggedModel(model_id=model_id, uri=f"models:/{model_id}", artifact_uri=info["artifact_uri"])
