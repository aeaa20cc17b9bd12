"""The port `ExperimentTracker` in memory."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import Any

from domain.datasets import DatasetInput
from domain.errors import NeverRetry
from domain.models import LoggedModel, OpenedRun, RecordedRun


@dataclass
class FakeRun:
    """What is recorded of a run."""

    opened: OpenedRun
    name: str
    tags: dict[str, str]
    status: str = "RUNNING"
    started_at: datetime | None = None
    ended_at: datetime | None = None
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    inputs: dict[str, DatasetInput] = field(default_factory=dict)
    model: LoggedModel | None = None
    successors: dict[str, LoggedModel] = field(default_factory=dict)


class FakeExperimentTracker:
    """Refuses what MLflow refuses: a param that changes, a number that is none, a run that is not there."""

    def __init__(self) -> None:
        self.runs: dict[str, FakeRun] = {}
        self.ready: set[str] = set()
        self.model_tags: dict[str, dict[str, str]] = {}

    async def open_run(
        self,
        run_id: str,
        name: str,
        tags: Mapping[str, str],
        *,
        is_new: bool = False,  # noqa: ARG002 - the port's
        started_at: datetime | None = None,
    ) -> OpenedRun:
        for run in self.runs.values():
            if run.tags["laurel.run_id"] == run_id:
                return run.opened
        mlflow_run_id = uuid.uuid4().hex
        opened = OpenedRun(
            mlflow_run_id=mlflow_run_id,
            experiment_id="1",
            artifact_uri=f"memory:/1/{mlflow_run_id}/artifacts",
        )
        self.runs[mlflow_run_id] = FakeRun(
            opened, name, {**tags, "laurel.run_id": run_id}, started_at=started_at
        )
        return opened

    async def log(
        self,
        mlflow_run_id: str,
        *,
        params: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        run = self._run(mlflow_run_id)
        texts = {key: str(value) for key, value in (params or {}).items()}
        changed = {
            key: {"stored": run.params[key], "now": text}
            for key, text in texts.items()
            if run.params.get(key, text) != text
        }
        if changed:
            raise NeverRetry("mlflow_param_changed", f"params cannot change: {changed}", changed=changed)
        if bad := sorted(key for key, value in (metrics or {}).items() if not isfinite(value)):
            raise NeverRetry("metric_not_finite", f"no number for {bad}", metrics=bad)
        run.params |= texts
        run.metrics |= {key: float(value) for key, value in (metrics or {}).items()}
        run.tags |= tags or {}

    async def log_inputs(self, mlflow_run_id: str, datasets: Sequence[DatasetInput]) -> None:
        self._run(mlflow_run_id).inputs |= {one.name: one for one in datasets}

    async def create_model(
        self,
        run: OpenedRun,
        params: Mapping[str, Any],  # noqa: ARG002 - the port's
        tags: Mapping[str, str],  # noqa: ARG002 - the port's
        *,
        is_new: bool = False,  # noqa: ARG002 - the port's
        on_created: Callable[[LoggedModel], None] | None = None,
    ) -> LoggedModel:
        record = self._run(run.mlflow_run_id)
        if record.model is None:
            record.model = _new_model()
        if on_created:
            on_created(record.model)
        return record.model

    async def finalize_model(self, model: LoggedModel, tags: Mapping[str, str]) -> None:
        self.ready.add(model.model_id)
        self.model_tags.setdefault(model.model_id, {}).update(tags)

    async def recorded(self, mlflow_run_id: str) -> RecordedRun | None:
        run = self.runs.get(mlflow_run_id)
        return None if run is None else RecordedRun(opened=run.opened, params=run.params, tags=run.tags)

    async def create_successor(self, run: OpenedRun, model_id: str) -> LoggedModel:
        record = self._run(run.mlflow_run_id)
        return record.successors.setdefault(model_id, _new_model())

    async def finish(
        self,
        mlflow_run_id: str,
        status: str,
        tags: Mapping[str, str],
        *,
        name: str | None = None,
        ended_at: datetime | None = None,
    ) -> None:
        run = self._run(mlflow_run_id)
        run.tags |= tags
        run.status, run.ended_at = status, ended_at
        run.name = name or run.name

    async def mark_orphans(self, run: OpenedRun, run_id: str, model: LoggedModel | None) -> None:
        """Nothing is ever made twice here."""

    def _run(self, mlflow_run_id: str) -> FakeRun:
        if mlflow_run_id not in self.runs:
            raise NeverRetry(
                "mlflow_refused", f"no run {mlflow_run_id}", code="RESOURCE_DOES_NOT_EXIST", doing="log"
            )
        return self.runs[mlflow_run_id]


def _new_model() -> LoggedModel:
    model_id = f"m-{uuid.uuid4().hex}"
    return LoggedModel(
        model_id=model_id, uri=f"models:/{model_id}", artifact_uri=f"memory:/1/models/{model_id}"
    )
