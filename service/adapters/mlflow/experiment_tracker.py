"""Port `ExperimentTracker` on MLflow tracking."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from domain.datasets import DatasetInput
from domain.errors import NeverRetry, TryLater
from domain.models import LoggedModel, OpenedRun, RecordedRun
from domain.ports.clock import Clock
from service.adapters.mlflow.answer_types import MlflowRun, Pair
from service.adapters.mlflow.batches import metric_list, param_list, request_bodies, tag_list
from service.adapters.mlflow.errors import ABSENT, INVALID, code_of, says_absent, well_formed
from service.adapters.mlflow.experiments import Experiments
from service.adapters.mlflow.inputs import input_body
from service.adapters.mlflow.logged_models import LoggedModels
from service.adapters.mlflow.read_back import ORPHAN_TAG, find_or_create, quoted
from service.adapters.mlflow.rest import MlflowRest, side_by_side

RUN_ID_TAG: Final = "laurel.run_id"


class MlflowExperimentTracker:
    """Keeps the record in one experiment, which is made when it is missing.

    A run is found by its tag `laurel.run_id`, a logged model by its run. Of several, the earliest is of
    record and the others are marked as orphans.
    """

    def __init__(self, rest: MlflowRest, experiment: str, clock: Clock) -> None:
        self._rest = rest
        self._clock = clock
        self._experiments = Experiments(rest, experiment)
        self._models = LoggedModels(rest)

    async def open_run(
        self,
        run_id: str,
        name: str,
        tags: Mapping[str, str],
        *,
        is_new: bool = False,
        started_at: datetime | None = None,
    ) -> OpenedRun:
        """Find the run tagged `laurel.run_id` = `run_id`, or create it. Others with that tag are orphans."""
        try:
            return await self._open(run_id, name, tags, is_new=is_new, started_at=started_at)
        except NeverRetry as error:
            self._experiments.forget()
            if code_of(error) != ABSENT:
                raise
        except TryLater:
            self._experiments.forget()
            raise
        # its experiment was deleted for good
        return await self._open(run_id, name, tags, is_new=is_new, started_at=started_at)

    async def _open(
        self, run_id: str, name: str, tags: Mapping[str, str], *, is_new: bool, started_at: datetime | None
    ) -> OpenedRun:
        experiment_id = await self._experiments.id()
        body = {
            "experiment_id": experiment_id,
            "run_name": name,
            "start_time": self._ms(started_at),
            "tags": tag_list({**tags, RUN_ID_TAG: run_id}),
        }

        async def create() -> OpenedRun:
            answer = await self._rest.post("runs/create", body)
            with well_formed("runs/create"):
                return _opened(answer["run"])

        return await find_or_create(lambda: self._run_of_record(experiment_id, run_id), create, is_new=is_new)

    async def log(
        self,
        mlflow_run_id: str,
        *,
        params: Mapping[str, object] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Log in one call. The same values again change nothing; a non-finite metric is a defect of ours."""
        listed = param_list(params or {})
        bodies = request_bodies(listed, metric_list(metrics or {}, self._ms()), tag_list(tags or {}))
        for body in bodies:
            try:
                async with self._experiments.written_to():
                    await self._rest.post("runs/log-batch", {"run_id": mlflow_run_id, **body})
            except NeverRetry as error:
                await self._name_changed_params(mlflow_run_id, listed, error)
                raise

    async def log_inputs(self, mlflow_run_id: str, datasets: Sequence[DatasetInput]) -> None:
        """Say which datasets the run was made from; MLflow keeps each name and digest once."""
        body = {"run_id": mlflow_run_id, "datasets": [input_body(one) for one in datasets]}
        async with self._experiments.written_to():
            await self._rest.post("runs/log-inputs", body)

    async def create_model(
        self,
        run: OpenedRun,
        params: Mapping[str, object],
        tags: Mapping[str, str],
        *,
        is_new: bool = False,
        on_created: Callable[[LoggedModel], None] | None = None,
    ) -> LoggedModel:
        """Find this run's logged model `model`, or create it; `on_created` is told before it is linked."""
        async with self._experiments.written_to():
            return await self._models.find_or_create(
                run, param_list(params), tag_list(tags), is_new=is_new, on_created=on_created
            )

    async def finalize_model(self, model: LoggedModel, tags: Mapping[str, str]) -> None:
        """Mark the logged model READY, and set tags of it. Safe to repeat."""
        await side_by_side(
            self._models.mark_ready(model.model_id), self._models.tag(model.model_id, tag_list(tags))
        )

    async def recorded(self, mlflow_run_id: str) -> RecordedRun | None:
        """Read a run, also a deleted one; None only when the server itself says that it does not exist."""
        try:
            answer = await self._rest.get("runs/get", run_id=mlflow_run_id)
        except NeverRetry as error:
            if says_absent(error, mlflow_run_id):
                return None
            raise
        with well_formed("runs/get"):
            run, data = answer["run"], answer["run"].get("data", {})
            return RecordedRun(
                opened=_opened(run), params=_pairs(data.get("params", [])), tags=_pairs(data.get("tags", []))
            )

    async def create_successor(self, run: OpenedRun, model_id: str) -> LoggedModel:
        """Find or create the logged model that stands in for another one of the same run."""
        async with self._experiments.written_to():
            return await self._models.find_or_create_successor(run, model_id)

    async def finish(
        self,
        mlflow_run_id: str,
        status: str,
        tags: Mapping[str, str],
        *,
        name: str | None = None,
        ended_at: datetime | None = None,
    ) -> None:
        """Set tags, the closing status (FINISHED or FAILED), a new name if given, and its end, else now.

        Safe to repeat.
        """
        async with self._experiments.written_to():
            closing = self._close(mlflow_run_id, status, name, ended_at)
            await side_by_side(self.log(mlflow_run_id, tags=tags), closing)

    async def mark_orphans(self, run: OpenedRun, run_id: str, model: LoggedModel | None) -> None:
        """Mark what a request of ours made after we had stopped waiting for it. Safe to repeat."""
        for other in await self._runs_tagged(run.experiment_id, run_id):
            if other.mlflow_run_id != run.mlflow_run_id:
                await self._mark_orphan(other.mlflow_run_id)
        if model is not None:
            await self._models.drop_others(run, model.model_id)

    async def _run_of_record(self, experiment_id: str, run_id: str) -> OpenedRun | None:
        found = await self._runs_tagged(experiment_id, run_id)
        for other in found[1:]:
            await self._mark_orphan(other.mlflow_run_id)
        return found[0] if found else None

    async def _runs_tagged(self, experiment_id: str, run_id: str) -> list[OpenedRun]:
        """Runs with our tag, the earliest first."""
        body = {
            "experiment_ids": [experiment_id],
            "filter": f"tags.`{RUN_ID_TAG}` = {quoted(run_id)}",
            "max_results": 100,
        }
        answer = await self._rest.post("runs/search", body)
        with well_formed("runs/search"):
            runs = sorted(answer.get("runs", []), key=_age)
            return [_opened(run) for run in runs]

    async def _mark_orphan(self, mlflow_run_id: str) -> None:
        await self._rest.post("runs/set-tag", {"run_id": mlflow_run_id, "key": ORPHAN_TAG, "value": "true"})
        await self._close(mlflow_run_id, "KILLED")

    async def _close(
        self, mlflow_run_id: str, status: str, name: str | None = None, ended_at: datetime | None = None
    ) -> None:
        body = {"run_id": mlflow_run_id, "status": status, "end_time": self._ms(ended_at)}
        await self._rest.post("runs/update", body if name is None else {**body, "run_name": name})

    async def _name_changed_params(
        self, mlflow_run_id: str, wanted: Sequence[Pair], error: NeverRetry
    ) -> None:
        """Say which params have another value already, if that is what MLflow refuses."""
        if not wanted or code_of(error) != INVALID:
            return
        answer = await self._rest.get("runs/get", run_id=mlflow_run_id)
        with well_formed("runs/get"):
            params = answer["run"]["data"].get("params", [])
            stored = {param["key"]: param["value"] for param in params}
        changed = {
            param["key"]: {"stored": stored[param["key"]], "now": param["value"]}
            for param in wanted
            if stored.get(param["key"], param["value"]) != param["value"]
        }
        if changed:
            raise NeverRetry(
                "mlflow_param_changed",
                f"params of run {mlflow_run_id} cannot change: {changed}",
                run=mlflow_run_id,
                changed=changed,
            ) from error

    def _ms(self, at: datetime | None = None) -> int:
        return int((at or self._clock.now()).timestamp() * 1000)


def _age(run: MlflowRun) -> tuple[int, str]:
    return int(run["info"]["start_time"]), run["info"]["run_id"]


def _pairs(items: Sequence[Pair]) -> dict[str, str]:
    return {item["key"]: item.get("value", "") for item in items}


def _opened(run: MlflowRun) -> OpenedRun:
    info = run["info"]
    return OpenedRun(
        mlflow_run_id=info["run_id"], experiment_id=info["experiment_id"], artifact_uri=info["artifact_uri"]
    )
