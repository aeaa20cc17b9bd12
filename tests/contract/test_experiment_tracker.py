"""What every ExperimentTracker promises."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

import pytest

from domain.errors import NeverRetry, TryLater
from domain.models import LoggedModel
from domain.ports.experiment_tracker import ExperimentTracker
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.experiment_tracker import MlflowExperimentTracker
from service.adapters.mlflow.experiments import Experiments
from service.adapters.mlflow.rest import MlflowRest
from service.runtime.clock import SystemClock
from tests.fakes.experiment_tracker import FakeExperimentTracker
from tests.kit.mlflow_record import MlflowRecord, RunRecord
from tests.worlds.servers import MlflowServer


class Reader(Protocol):
    """How a test looks at what was recorded."""

    async def run(self, mlflow_run_id: str) -> RunRecord: ...
    async def is_ready(self, model: LoggedModel) -> bool: ...


class FakeReader:
    def __init__(self, tracker: FakeExperimentTracker) -> None:
        self._tracker = tracker

    async def run(self, mlflow_run_id: str) -> RunRecord:
        run = self._tracker.runs[mlflow_run_id]
        outputs = [run.model.model_id] if run.model else []
        return RunRecord(run.status, run.name, run.params, run.metrics, run.tags, outputs)

    async def is_ready(self, model: LoggedModel) -> bool:
        return model.model_id in self._tracker.ready


class MlflowReader(MlflowRecord):
    async def is_ready(self, model: LoggedModel) -> bool:
        found = await self.get(f"logged-models/{model.model_id}")
        return bool(found["model"]["info"]["status"] == "LOGGED_MODEL_READY")


@pytest.fixture
def run_id() -> str:
    return str(uuid.uuid4())


class ExperimentTrackerContract:
    async def test_a_run_that_is_opened_again_is_the_same_run(
        self, tracker: ExperimentTracker, run_id: str
    ) -> None:
        first = await tracker.open_run(run_id, "price-1", {})
        assert await tracker.open_run(run_id, "price-1", {}) == first

    async def test_another_request_has_another_run(self, tracker: ExperimentTracker, run_id: str) -> None:
        first = await tracker.open_run(run_id, "price-1", {})
        assert await tracker.open_run(f"{run_id}x", "price-2", {}) != first

    async def test_an_open_run_says_whose_it_is_and_is_running(
        self, tracker: ExperimentTracker, reader: Reader, run_id: str
    ) -> None:
        opened = await tracker.open_run(run_id, "price-1", {"laurel.request": 'who\'s "it"'})
        record = await reader.run(opened.mlflow_run_id)
        assert (record.name, record.status) == ("price-1", "RUNNING")
        assert record.tags["laurel.run_id"] == run_id
        assert record.tags["laurel.request"] == 'who\'s "it"'

    async def test_params_metrics_and_tags_are_kept_as_they_were_given(
        self, tracker: ExperimentTracker, reader: Reader, run_id: str
    ) -> None:
        opened = await tracker.open_run(run_id, "price-1", {})
        params = {"max_depth": 3, "reference_created": True, "loss": None, "note": "ä 'quoted'", "empty": ""}
        await tracker.log(
            opened.mlflow_run_id, params=params, metrics={"train_rows": 833, "mae": 1.5e-9}, tags={"a": "b"}
        )
        record = await reader.run(opened.mlflow_run_id)
        assert record.params == {key: str(value) for key, value in params.items()}
        assert record.metrics == {"train_rows": 833.0, "mae": 1.5e-9}
        assert record.tags["a"] == "b"

    async def test_the_same_values_again_change_nothing(
        self, tracker: ExperimentTracker, reader: Reader, run_id: str
    ) -> None:
        opened = await tracker.open_run(run_id, "price-1", {})
        for _ in range(2):
            await tracker.log(opened.mlflow_run_id, params={"a": 1}, metrics={"m": 2.0}, tags={"t": "x"})
        record = await reader.run(opened.mlflow_run_id)
        assert (record.params, record.metrics) == ({"a": "1"}, {"m": 2.0})

    async def test_a_param_that_changes_is_refused_with_both_values(
        self, tracker: ExperimentTracker, reader: Reader, run_id: str
    ) -> None:
        opened = await tracker.open_run(run_id, "price-1", {})
        await tracker.log(opened.mlflow_run_id, params={"a": 1, "b": 1})
        with pytest.raises(NeverRetry) as refusal:
            await tracker.log(opened.mlflow_run_id, params={"a": 1, "b": 2, "c": 3})
        assert refusal.value.reason == "mlflow_param_changed"
        assert refusal.value.facts["changed"] == {"b": {"stored": "1", "now": "2"}}
        assert (await reader.run(opened.mlflow_run_id)).params["b"] == "1"

    @pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
    async def test_a_metric_that_is_no_number_is_refused_before_anything_is_logged(
        self, tracker: ExperimentTracker, reader: Reader, run_id: str, bad: float
    ) -> None:
        opened = await tracker.open_run(run_id, "price-1", {})
        with pytest.raises(NeverRetry) as refusal:
            await tracker.log(opened.mlflow_run_id, params={"a": 1}, metrics={"mae": 1.0, "r2": bad})
        assert (refusal.value.reason, refusal.value.facts["metrics"]) == ("metric_not_finite", ["r2"])
        record = await reader.run(opened.mlflow_run_id)
        assert (record.params, record.metrics) == ({}, {})

    async def test_any_number_of_values_is_logged(
        self, tracker: ExperimentTracker, reader: Reader, run_id: str
    ) -> None:
        opened = await tracker.open_run(run_id, "price-1", {})
        params = {f"p{n}": n for n in range(250)}
        metrics = {f"m{n}": float(n) for n in range(1100)}
        await tracker.log(opened.mlflow_run_id, params=params, metrics=metrics, tags={"last": "yes"})
        record = await reader.run(opened.mlflow_run_id)
        assert record.params == {key: str(value) for key, value in params.items()}
        assert record.metrics == metrics
        assert record.tags["last"] == "yes"

    async def test_a_run_has_one_logged_model(
        self, tracker: ExperimentTracker, reader: Reader, run_id: str
    ) -> None:
        opened = await tracker.open_run(run_id, "price-1", {})
        model = await tracker.create_model(opened, {"alpha": 0.5}, {"laurel.feature_version": "2"})
        assert await tracker.create_model(opened, {"alpha": 0.5}, {"laurel.feature_version": "2"}) == model
        assert model.uri == f"models:/{model.model_id}"
        assert (await reader.run(opened.mlflow_run_id)).outputs == [model.model_id]

    async def test_a_model_is_ready_when_we_say_so(
        self, tracker: ExperimentTracker, reader: Reader, run_id: str
    ) -> None:
        opened = await tracker.open_run(run_id, "price-1", {})
        model = await tracker.create_model(opened, {}, {})
        assert not await reader.is_ready(model)
        await tracker.finalize_model(model, {"laurel.model_digest": "d"})
        await tracker.finalize_model(model, {"laurel.model_digest": "d"})
        assert await reader.is_ready(model)

    @pytest.mark.parametrize("status", ["FINISHED", "FAILED"])
    async def test_a_run_ends_once_and_for_all(
        self, tracker: ExperimentTracker, reader: Reader, run_id: str, status: str
    ) -> None:
        opened = await tracker.open_run(run_id, "price-1", {})
        for _ in range(2):
            await tracker.finish(opened.mlflow_run_id, status, {"pipeline_status": "completed"}, name="end")
        record = await reader.run(opened.mlflow_run_id)
        assert (record.status, record.tags["pipeline_status"]) == (status, "completed")
        assert record.name == "end"
        await tracker.finish(opened.mlflow_run_id, status, {})
        assert (await reader.run(opened.mlflow_run_id)).name == "end"

    async def test_a_run_that_does_not_exist_is_refused(self, tracker: ExperimentTracker) -> None:
        with pytest.raises(NeverRetry) as refusal:
            await tracker.log("0" * 32, params={"a": 1})
        assert refusal.value.reason == "mlflow_refused"


class TestFake(ExperimentTrackerContract):
    @pytest.fixture
    def tracker(self) -> FakeExperimentTracker:
        return FakeExperimentTracker()

    @pytest.fixture
    def reader(self, tracker: FakeExperimentTracker) -> FakeReader:
        return FakeReader(tracker)


class TestMlflow(ExperimentTrackerContract):
    @pytest.fixture
    async def tracker(self, mlflow_server: MlflowServer) -> AsyncIterator[MlflowExperimentTracker]:
        rest = MlflowRest(MlflowAccess(mlflow_server.tracking_uri))
        yield MlflowExperimentTracker(rest, "contract-tracker", SystemClock())
        await rest.close()

    @pytest.fixture
    async def reader(self, mlflow_server: MlflowServer) -> AsyncIterator[MlflowReader]:
        reader = MlflowReader(mlflow_server.tracking_uri)
        yield reader
        await reader.close()

    async def test_a_long_tag_is_cut_and_says_so(
        self, tracker: MlflowExperimentTracker, reader: MlflowReader, run_id: str
    ) -> None:
        """The reason of a failure may be long; losing its end must not lose the run's end."""
        opened = await tracker.open_run(run_id, "price-1", {})
        await tracker.finish(opened.mlflow_run_id, "FAILED", {"laurel.failure_message": "x" * 9000})
        text = (await reader.run(opened.mlflow_run_id)).tags["laurel.failure_message"]
        assert text.startswith("xxx")
        assert text.endswith("(9000 characters, whole in the artifact laurel/long_values.json)")

    async def test_a_long_param_points_to_where_it_stands_whole(
        self, tracker: MlflowExperimentTracker, reader: MlflowReader, run_id: str
    ) -> None:
        """The server cuts a param at 6,000 characters without a word."""
        opened = await tracker.open_run(run_id, "price-1", {"laurel.request": "x" * 9000})
        params = {"fits": "x" * 6000, "order": ["x" * 4000] * 2}
        await tracker.log(opened.mlflow_run_id, params=params)
        await tracker.create_model(opened, params, {})
        stored = (await reader.run(opened.mlflow_run_id)).params
        assert stored == {
            "fits": "x" * 6000,
            "order": "8008 characters, whole in the artifact laurel/long_values.json",
        }

    async def test_what_no_database_keeps_is_replaced(
        self, tracker: MlflowExperimentTracker, reader: MlflowReader, run_id: str
    ) -> None:
        """A request's reason is a person's text: NUL and half a surrogate pair come through JSON."""
        opened = await tracker.open_run(run_id, "price-1", {"laurel.reason": "a\0b\ud800c"})
        assert (await reader.run(opened.mlflow_run_id)).tags["laurel.reason"] == "a\ufffdb?c"

    async def test_a_deleted_experiment_and_a_deleted_run_are_waited_for_until_they_are_restored(
        self, mlflow_server: MlflowServer, reader: MlflowReader, run_id: str
    ) -> None:
        """A person deleted them while the worker had both in hand; MLflow keeps them for that."""
        rest = MlflowRest(MlflowAccess(mlflow_server.tracking_uri))
        tracker = MlflowExperimentTracker(rest, f"deleted-{run_id}", SystemClock())
        opened = await tracker.open_run(run_id, "price-1", {})
        experiment, run = {"experiment_id": opened.experiment_id}, {"run_id": opened.mlflow_run_id}
        asked: list[Callable[[], Awaitable[object]]] = [
            lambda: tracker.log(opened.mlflow_run_id, params={"a": 1}),
            lambda: tracker.log_inputs(opened.mlflow_run_id, ()),
            lambda: tracker.finish(opened.mlflow_run_id, "FINISHED", {}),
            lambda: tracker.create_model(opened, {}, {}),
            lambda: tracker.open_run(f"{run_id}-2", "price-2", {}),
            lambda: tracker.open_run(f"{run_id}-2", "price-2", {}),
            Experiments(rest, f"deleted-{run_id}").ping,
        ]
        for what, body, whole in (("experiment", experiment, 7), ("run", run, 3)):
            await reader.post(f"{what}s/delete", body)
            for ask in asked[:whole]:
                with pytest.raises(TryLater) as wait:
                    await ask()
                told = (wait.value.reason, wait.value.waiting_on)
                assert told == (f"mlflow_{what}_deleted", f"mlflow_{what}")
                assert f"mlflow {what}s restore" in wait.value.message
            await reader.post(f"{what}s/restore", body)
            for ask in asked:
                await ask()
        await rest.close()
