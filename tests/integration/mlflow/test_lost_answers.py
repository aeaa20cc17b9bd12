"""M01: the server does what it was asked, and its answer is lost: once, three times, or with all the rest.

What is made is found again and adopted. A step is repeated as the runner does it: only after TryLater.
"""

import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from domain.errors import TryLater
from domain.models import LoggedModel, OpenedRun, RegisteredVersion
from service.adapters.mlflow.answer_types import MlflowAnswer
from service.adapters.mlflow.experiment_tracker import MlflowExperimentTracker
from service.adapters.mlflow.model_registry import MlflowModelRegistry
from service.adapters.mlflow.rest import MlflowRest
from tests.harm.proxies import FaultProxy, lost
from tests.harm.wire_formats import http
from tests.kit.mlflow_record import MlflowRecord

Result = TypeVar("Result")
LOST = pytest.mark.parametrize("times", [1, 3])
# Only the creating call, or every POST: then the read-back's answer is lost as well.
SCOPES = pytest.mark.parametrize("everything", [False, True], ids=["the call", "every POST"])


async def until_done(step: Callable[[], Awaitable[Result]], tries: int = 8) -> Result:
    """Repeat a step as long as it asks for it."""
    for _ in range(tries - 1):
        with contextlib.suppress(TryLater):
            return await step()
    return await step()


@LOST
@SCOPES
async def test_a_run_whose_creation_was_not_confirmed_is_adopted(
    proxy: FaultProxy,
    tracker: MlflowExperimentTracker,
    record: MlflowRecord,
    run_id: str,
    times: int,
    *,
    everything: bool,
) -> None:
    await tracker.open_run(f"before-{run_id}", "price", {})
    fault = proxy.add(lost(http("POST", "" if everything else "/runs/create"), times=times))
    opened = await until_done(lambda: tracker.open_run(run_id, "price", {}))
    assert fault.hits == (times if everything else 1)
    runs = await record.runs_of(opened.experiment_id, run_id)
    assert [run["info"]["run_id"] for run in runs] == [opened.mlflow_run_id]


@LOST
async def test_params_that_were_logged_without_an_answer_are_logged_again_in_peace(
    proxy: FaultProxy, tracker: MlflowExperimentTracker, record: MlflowRecord, run_id: str, times: int
) -> None:
    """Never "Changing param values is not allowed"."""
    opened = await tracker.open_run(run_id, "price", {})
    fault = proxy.add(lost(http("POST", "/runs/log-batch"), times=times))
    await until_done(
        lambda: tracker.log(
            opened.mlflow_run_id,
            params={"split_version": 1},
            metrics={"train_rows": 833.0},
            tags={"laurel.dvc": "{}"},
        )
    )
    assert fault.hits == times
    run = await record.run(opened.mlflow_run_id)
    assert (run.params, run.metrics) == ({"split_version": "1"}, {"train_rows": 833.0})


@LOST
@SCOPES
async def test_a_logged_model_whose_creation_was_not_confirmed_is_adopted(
    proxy: FaultProxy,
    tracker: MlflowExperimentTracker,
    record: MlflowRecord,
    run_id: str,
    times: int,
    *,
    everything: bool,
) -> None:
    opened = await tracker.open_run(run_id, "price", {})
    fault = proxy.add(lost(http("POST", "" if everything else "/logged-models "), times=times))
    model = await until_done(lambda: tracker.create_model(opened, {"alpha": 1}, {}))
    assert fault.hits == (times if everything else 1)
    models = await record.models_of(opened.experiment_id, opened.mlflow_run_id)
    assert [found["info"]["model_id"] for found in models] == [model.model_id]
    assert (await record.run(opened.mlflow_run_id)).outputs == [model.model_id]


async def test_a_link_that_another_process_made_after_the_look_is_the_link(
    rest: MlflowRest,
    tracker: MlflowExperimentTracker,
    record: MlflowRecord,
    run_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """MLflow's database refuses the second one: BAD_REQUEST, with its own error of a key that is there."""
    opened, model = await _logged(tracker, run_id)
    real, looks = rest.get, []

    async def before_the_other(endpoint: str, **query: str) -> MlflowAnswer:
        answer = await real(endpoint, **query)
        looks.append(endpoint)
        if looks == ["runs/get"]:
            answer["run"].pop("outputs")
        return answer

    monkeypatch.setattr(rest, "get", before_the_other)
    assert (await tracker.create_successor(opened, model.model_id)).model_id != model.model_id
    assert looks
    looks.clear()
    again = await tracker.create_successor(opened, model.model_id)
    assert looks == ["runs/get", "runs/get"]
    assert sorted((await record.run(opened.mlflow_run_id)).outputs) == sorted(
        [model.model_id, again.model_id]
    )


@LOST
@SCOPES
async def test_a_version_whose_creation_was_not_confirmed_is_adopted(
    proxy: FaultProxy,
    tracker: MlflowExperimentTracker,
    registry: MlflowModelRegistry,
    record: MlflowRecord,
    run_id: str,
    model_name: str,
    times: int,
    *,
    everything: bool,
) -> None:
    before, first = await _logged(tracker, f"before-{run_id}")
    await _register(registry, model_name, before, first)
    opened, model = await _logged(tracker, run_id)
    fault = proxy.add(lost(http(".", "" if everything else "/model-versions/create"), times=times))
    version = await until_done(lambda: _register(registry, model_name, opened, model))
    assert fault.hits == (times if everything else 1)
    versions = await record.versions_of(model_name)
    assert [(int(found["version"]), found["source"]) for found in versions] == [
        (1, first.uri),
        (2, model.uri),
    ]
    assert version.version == 2


@LOST
async def test_the_first_version_of_all_is_made_once_whatever_is_lost(
    proxy: FaultProxy,
    tracker: MlflowExperimentTracker,
    registry: MlflowModelRegistry,
    record: MlflowRecord,
    run_id: str,
    model_name: str,
    times: int,
) -> None:
    """The registered model is made on the way."""
    opened, model = await _logged(tracker, run_id)
    fault = proxy.add(lost(http("POST", ""), times=times))
    await until_done(lambda: _register(registry, model_name, opened, model))
    assert fault.hits == times
    assert [found["source"] for found in await record.versions_of(model_name)] == [model.uri]


@LOST
async def test_an_alias_that_was_set_without_an_answer_is_set(
    proxy: FaultProxy,
    tracker: MlflowExperimentTracker,
    registry: MlflowModelRegistry,
    run_id: str,
    model_name: str,
    times: int,
) -> None:
    opened, model = await _logged(tracker, run_id)
    version = await _register(registry, model_name, opened, model)
    fault = proxy.add(lost(http("POST", "/registered-models/alias"), times=times))
    await until_done(lambda: registry.set_alias(model_name, version.version))
    assert fault.hits == times
    assert await registry.alias_version(model_name) == version.version


@LOST
async def test_an_end_that_was_not_confirmed_is_set_again(
    proxy: FaultProxy, tracker: MlflowExperimentTracker, record: MlflowRecord, run_id: str, times: int
) -> None:
    opened = await tracker.open_run(run_id, "price", {})
    fault = proxy.add(lost(http("POST", "/runs/update"), times=times))
    await until_done(lambda: tracker.finish(opened.mlflow_run_id, "FINISHED", {"model_promoted": "True"}))
    assert fault.hits == times
    run = await record.run(opened.mlflow_run_id)
    assert (run.status, run.tags["model_promoted"]) == ("FINISHED", "True")


async def test_of_several_runs_the_earliest_is_of_record_and_the_others_are_marked(
    tracker: MlflowExperimentTracker, record: MlflowRecord, run_id: str
) -> None:
    """A client that repeats POSTs left three; none of them may look as if it were still running."""
    experiment_id = (await tracker.open_run(f"before-{run_id}", "price", {})).experiment_id
    made = [
        await _run_by_hand(record, experiment_id, run_id, start_time) for start_time in (1002, 1000, 1001)
    ]
    opened = await tracker.open_run(run_id, "price", {})
    assert opened.mlflow_run_id == made[1]
    for orphan in (made[0], made[2]):
        run = await record.run(orphan)
        assert (run.tags["laurel.orphan"], run.status) == ("true", "KILLED")
    assert "laurel.orphan" not in (await record.run(made[1])).tags


async def test_of_several_logged_models_only_the_earliest_can_be_found(
    tracker: MlflowExperimentTracker, record: MlflowRecord, run_id: str
) -> None:
    """`runs:/<id>/model` takes the newest by that name: a twin without files must not be it."""
    opened, model = await _logged(tracker, run_id)
    body = {"experiment_id": opened.experiment_id, "name": "model", "source_run_id": opened.mlflow_run_id}
    twin = (await record.post("logged-models", body))["model"]["info"]["model_id"]
    assert await tracker.create_model(opened, {}, {}) == model
    models = await record.models_of(opened.experiment_id, opened.mlflow_run_id)
    assert [found["info"]["model_id"] for found in models] == [model.model_id] != [twin]


async def test_of_several_versions_the_first_is_of_record_and_the_others_are_marked(
    tracker: MlflowExperimentTracker,
    registry: MlflowModelRegistry,
    record: MlflowRecord,
    run_id: str,
    model_name: str,
) -> None:
    opened, model = await _logged(tracker, run_id)
    first = await _register(registry, model_name, opened, model)
    await _version_by_hand(record, model_name, model)
    assert (await _register(registry, model_name, opened, model)).version == first.version
    second = await registry.version(model_name, 2)
    assert second is not None
    assert second.tags["laurel.orphan"] == "true"


async def test_what_a_slow_server_made_after_we_gave_up_is_marked_at_the_end(
    tracker: MlflowExperimentTracker,
    registry: MlflowModelRegistry,
    record: MlflowRecord,
    run_id: str,
    model_name: str,
) -> None:
    """They appear when the run, the model and the version of record are known already."""
    opened, model = await _logged(tracker, run_id)
    version = await _register(registry, model_name, opened, model)
    late_run = await _run_by_hand(record, opened.experiment_id, run_id, start_time=1)
    body = {"experiment_id": opened.experiment_id, "name": "model", "source_run_id": opened.mlflow_run_id}
    await record.post("logged-models", body)
    await _version_by_hand(record, model_name, model)
    for _ in range(2):
        await tracker.mark_orphans(opened, run_id, model)
        await registry.mark_orphans(model_name, version)
    assert (await record.run(late_run)).tags["laurel.orphan"] == "true"
    assert "laurel.orphan" not in (await record.run(opened.mlflow_run_id)).tags
    models = await record.models_of(opened.experiment_id, opened.mlflow_run_id)
    assert [found["info"]["model_id"] for found in models] == [model.model_id]
    marked = {int(found["version"]) for found in await record.versions_of(model_name) if found.get("tags")}
    assert marked == {2}


async def _logged(tracker: MlflowExperimentTracker, run_id: str) -> tuple[OpenedRun, LoggedModel]:
    opened = await tracker.open_run(run_id, "price", {})
    return opened, await tracker.create_model(opened, {}, {})


async def _register(
    registry: MlflowModelRegistry, model_name: str, opened: OpenedRun, model: LoggedModel
) -> RegisteredVersion:
    return await registry.register(model_name, model, opened.mlflow_run_id, {})


async def _run_by_hand(record: MlflowRecord, experiment_id: str, run_id: str, start_time: int) -> str:
    tags = [{"key": "laurel.run_id", "value": run_id}]
    body = {"experiment_id": experiment_id, "start_time": start_time, "tags": tags}
    return str((await record.post("runs/create", body))["run"]["info"]["run_id"])


async def _version_by_hand(record: MlflowRecord, model_name: str, model: LoggedModel) -> None:
    body = {"name": model_name, "source": model.uri, "model_id": model.model_id}
    await record.post("model-versions/create", body)
