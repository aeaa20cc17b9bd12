"""Port `ExperimentTracker` on MLflow tracking.

Values are written within MLflow's limits, in as few requests as it allows; datasets as it shows them, with
name, digest, place, schema and size.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import zip_longest
from math import isfinite
from typing import Final, TypeVar

from domain.data_contract import DataContract
from domain.datasets import DatasetInput
from domain.errors import NeverRetry, TryLater
from domain.models import LoggedModel, OpenedRun, RecordedRun
from domain.ports.clock import Clock
from domain.tracker_limits import (
    DATASET_DIGEST,
    DATASET_NAME,
    DATASET_SCHEMA,
    RESOLVED_CONFIG,
    param_text,
    pointer,
    tag_text,
)
from domain.wording import bounded
from service.adapters.mlflow.answer_types import MlflowRun, Pair
from service.adapters.mlflow.errors import ABSENT, INVALID, code_of, says_absent, well_formed
from service.adapters.mlflow.experiments import Experiments
from service.adapters.mlflow.logged_models import LoggedModels
from service.adapters.mlflow.rest import ORPHAN_TAG, MlflowRest, find_or_create, quoted, side_by_side

T = TypeVar("T")

# Limits of MLflow's log-batch.
_PER_BATCH: Final = 100
_METRICS_PER_BATCH: Final = 800  # with 100 params and 100 tags: the 1,000 entities that one request may hold


def param_list(params: Mapping[str, object]) -> list[Pair]:
    """Params as MLflow stores them; in the place of a long one, where it stands whole."""
    return [{"key": key, "value": param_text(value)} for key, value in params.items()]


def tag_list(tags: Mapping[str, str]) -> list[Pair]:
    """Tags as MLflow stores them; a long one is cut, and says where it stands whole."""
    return [{"key": key, "value": tag_text(value)} for key, value in tags.items()]


def metric_list(metrics: Mapping[str, float], timestamp_ms: int) -> list[dict[str, object]]:
    """Metrics at step 0. Raises NeverRetry for NaN and infinity, which MLflow would store as numbers."""
    if bad := sorted(key for key, value in metrics.items() if not isfinite(value)):
        raise NeverRetry(
            "metric_not_finite",
            f"these metrics have no number to log: {', '.join(bad)}; leave such metrics out",
            metrics=bad,
        )
    return [
        {"key": key, "value": float(value), "timestamp": timestamp_ms, "step": 0}
        for key, value in metrics.items()
    ]


def request_bodies(
    params: Sequence[Pair], metrics: Sequence[Mapping[str, object]], tags: Sequence[Pair]
) -> Iterator[dict[str, Sequence[Mapping[str, object]]]]:
    """Split what is to be logged into the fewest requests, params first; nothing to log: no request."""
    parts = zip_longest(
        _batches(params, _PER_BATCH), _batches(metrics, _METRICS_PER_BATCH), _batches(tags, _PER_BATCH)
    )
    for some_params, some_metrics, some_tags in parts:
        yield {"params": some_params or [], "metrics": some_metrics or [], "tags": some_tags or []}


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


_TYPES: Final = {"string": "string", "int": "long", "float": "double"}


def input_body(dataset: DatasetInput) -> dict[str, object]:
    """One entry of `runs/log-inputs`. The digest is the beginning of the sha256, as much as MLflow keeps."""
    file = dataset.file
    return {
        "dataset": {
            "name": bounded(dataset.name, DATASET_NAME),
            "digest": file.sha256[:DATASET_DIGEST],
            "source_type": "local",
            "source": _source(dataset),
            "schema": _schema(dataset.contract),
            "profile": json.dumps({"num_rows": file.rows, "bytes": file.bytes}),
        },
        "tags": [{"key": "mlflow.data.context", "value": dataset.context}],
    }


def _source(dataset: DatasetInput) -> str:
    """The place, and both digests of what stood there: places are written again, digests are not."""
    file = dataset.file
    return json.dumps({"uri": file.path, "sha256": file.sha256, "dvc": dataset.dvc_hash})


def _schema(contract: DataContract) -> str:
    """The contract's columns in the form that MLflow's page lists; of very many, where they are listed."""
    required = {contract.target, *contract.primary_key}
    columns = [
        {"type": _TYPES[rule.type], "name": name, "required": rule.non_nullable or name in required}
        for name, rule in contract.columns.items()
    ]
    text = json.dumps({"mlflow_colspec": columns})
    return text if len(text) <= DATASET_SCHEMA else json.dumps({"schema": pointer(text, RESOLVED_CONFIG)})


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
