"""The orchestrator's own official client, unchanged and with its type checks on, calls every page."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import airflow_client.client as official
import pytest
from airflow_client.client.model.dag_run import DAGRun
from airflow_client.client.model.update_dag_run_state import UpdateDagRunState
from airflow_client.client.model.variable import Variable

from domain.ports.variables import RECORDED_ROWS
from service.adapters.postgres.run_store import PostgresRunStore
from tests.integration.api.official_client import Client, call, client_of, refused
from tests.worlds.api import PASSWORD, USER, ApiWorld, rejected, stored

DAG, RUN, TASK = "train_pipeline_dag", "nightly-1", "resolve_runtime_config"
MAY = datetime(2026, 5, 1, tzinfo=UTC)
EVER = {"gte": MAY - timedelta(days=9999), "lte": MAY + timedelta(days=9999)}
ROWS = "CURRENT_MASTER_ROWS"


@pytest.fixture
async def client(world: ApiWorld) -> AsyncIterator[Client]:
    """The client of a door of the test's own."""
    async with client_of(world) as client:
        yield client


async def test_every_page_takes_every_parameter_that_the_client_knows(
    client: Client, world: ApiWorld, store: PostgresRunStore
) -> None:
    """A parameter alone, and all at once. None of them may be refused, or make the answer unreadable."""
    await call(client.runs.post_dag_run, DAG, DAGRun(dag_run_id=RUN))
    await stored(store, world)
    await call(client.variables.post_variables, Variable(key="a", value="1"))
    document = (await client.pages.get("/api/v1/openapi.json")).json()
    pages = [(method.upper(), path) for path, known in document["paths"].items() for method in known]
    assert len(pages) == 14
    # What deletes comes last.
    for method, path in sorted(pages, key=lambda page: page[0] == "DELETE"):
        calls, endpoint = client.endpoints[method, path.removeprefix("/api/v1")]
        needed = [_needed(name) for name in endpoint.params_map["required"]]
        asked = _asked(endpoint)
        alone = [{name: value} for name, value in asked.items()]
        for named in (*alone, asked):
            await call(calls, *needed, **named)


def _needed(name: str) -> Any:
    run = None if name != "dag_run" else DAGRun(conf={"model_version": 1})
    variable = Variable(key="a", value="2", description=None)
    values = {"dag_id": DAG, "dag_run_id": RUN, "task_id": TASK, "task_try_number": 1, "variable_key": "a"}
    state = UpdateDagRunState(state="failed")
    return {**values, "dag_run": run, "variable": variable, "update_dag_run_state": state}[name]


def _asked(endpoint: Any) -> dict[str, Any]:
    orders = {"get_dags": "-dag_id", "get_dag_runs": "-execution_date", "get_variables": "-key"}
    values = {
        "limit": 5,
        "offset": 1,
        "order_by": orders.get(endpoint.settings["operation_id"]),
        "fields": ["dag_id"],
        "tags": ["nightly"],
        "only_active": False,
        "paused": False,
        "dag_id_pattern": "train",
        "state": ["queued", "success"],
        "pool": ["default_pool"],
        "queue": ["default"],
        "executor": ["LocalExecutor"],
        "full_content": True,
        "map_index": -1,
        "token": "from-the-answer-before",
        "update_mask": ["value", "description"],
    }
    optional = set(endpoint.location_map) - set(endpoint.params_map["required"])
    return {name: values[name] if name in values else _bound(name) for name in sorted(optional)}


def _bound(name: str) -> datetime | float:
    return 1.5 if name.startswith("duration_") else EVER[name[-3:]]


async def test_a_run_is_triggered_with_all_that_the_client_can_say(client: Client, world: ApiWorld) -> None:
    """`conf` comes back with floats for whole numbers, and is as good as before when it is sent again."""
    interval = {"data_interval_start": MAY, "data_interval_end": MAY + timedelta(days=1)}
    nulls = {"execution_date": None, "data_interval_start": None, "data_interval_end": None, "note": None}
    asked = [
        DAGRun(dag_run_id=RUN, conf={"model_version": 99}, note="new sales", **interval),
        DAGRun(logical_date=MAY, dag_run_id=None, conf={}, **nulls),
        DAGRun(execution_date=MAY + timedelta(hours=1), logical_date=MAY + timedelta(hours=1)),
        DAGRun(),
    ]
    made = [await call(client.runs.post_dag_run, DAG, run) for run in asked]
    again = await call(client.runs.post_dag_run, DAG, DAGRun(dag_run_id="again", conf=made[0].conf))

    assert [run.dag_run_id for run in made[:2]] == [RUN, f"manual__{MAY.isoformat()}"]
    assert (made[0].note, str(made[0].state), made[0].run_type) == ("new sales", "queued", "manual")
    assert made[1].logical_date == made[1].execution_date == made[1].data_interval_start == MAY
    assert again.conf == {"model_version": 99}
    versions = [(event.data or {}).get("model_version") for event in await world.in_kafka()]
    assert sorted(versions, key=str) == [99, 99, None, None, None]
    assert all(type(version) is int for version in versions if version is not None)


async def test_a_run_whose_state_is_set_to_failed_ends(
    client: Client, world: ApiWorld, store: PostgresRunStore
) -> None:
    await call(client.runs.post_dag_run, DAG, DAGRun(dag_run_id=RUN))
    await stored(store, world)
    failed = UpdateDagRunState(state="failed")

    ended = [await call(client.runs.update_dag_run_state, DAG, RUN, failed) for _ in range(2)]

    assert [str(run.state) for run in ended] == ["failed"] * 2
    assert "gateway (dag)" in ended[0].note
    assert (await call(client.tasks.get_task_instance, DAG, RUN, TASK)).state.value == "failed"


async def test_runs_are_chosen_by_all_their_dates(
    client: Client, world: ApiWorld, store: PostgresRunStore
) -> None:
    """One has ended, the other goes on: it has no end, and so lies in no span of ends."""
    for run in (DAGRun(dag_run_id=RUN, conf={"model_version": 99}), DAGRun(dag_run_id="nightly-2")):
        await call(client.runs.post_dag_run, DAG, run)
    await stored(store, world)
    await rejected(store, world)
    ended, waiting = (await call(client.runs.get_dag_runs, DAG)).dag_runs
    second = timedelta(seconds=1)

    async def listed(**asked: Any) -> list[str]:
        page = await call(client.runs.get_dag_runs, DAG, **asked)
        assert page.total_entries == len(page.dag_runs)
        return [run.dag_run_id for run in page.dag_runs]

    assert ended.end_date is not None
    assert waiting.end_date is None
    assert await listed(end_date_gte=ended.end_date) == await listed(end_date_lte=ended.end_date) == [RUN]
    assert await listed(end_date_gte=ended.end_date + second) == []
    assert await listed(updated_at_gte=ended.end_date) == [RUN]
    assert await listed(updated_at_lte=ended.end_date) == [RUN, "nightly-2"]
    assert await listed(execution_date_gte=waiting.logical_date, state=["queued"]) == ["nightly-2"]
    assert await listed(execution_date_gte=waiting.logical_date, start_date_lte=ended.logical_date) == []


async def test_tasks_and_their_logs_are_read(
    client: Client, world: ApiWorld, store: PostgresRunStore
) -> None:
    await call(client.runs.post_dag_run, DAG, DAGRun(dag_run_id=RUN, conf={"model_version": 99}))
    before = (await call(client.tasks.get_task_instances, DAG, RUN, state=["none"])).task_instances
    await stored(store, world)
    await rejected(store, world)

    async def listed(**asked: Any) -> tuple[list[str], int]:
        page = await call(client.tasks.get_task_instances, DAG, RUN, **asked)
        return [task.task_id for task in page.task_instances], page.total_entries

    failed = await call(client.tasks.get_task_instance, DAG, RUN, TASK)
    first = await call(client.tasks.get_log, DAG, RUN, TASK, 1)
    more = await call(client.tasks.get_log, DAG, RUN, TASK, 1, token=first.continuation_token)
    whole = await call(client.tasks.get_log, DAG, RUN, TASK, 1, full_content=True, map_index=failed.map_index)

    assert len(before) == 10
    assert (str(failed.state), failed.try_number, failed.map_index) == ("failed", 1, -1)
    assert await listed(state=["failed"]) == ([TASK], 1)
    assert await listed(limit=2, offset=8) == (
        ["reload_inference_on_promotion_task", "notify_success_task"],
        10,
    )
    assert await listed(pool=["another"]) == await listed(queue=["default"]) == ([], 0)
    assert await listed(pool=["default_pool"], state=["upstream_failed"], limit=1) == (
        ["start_experiment_run"],
        9,
    )
    assert await listed(start_date_gte=EVER["lte"]) == await listed(duration_gte=9e9) == ([], 0)
    assert "unknown_version" in first.content
    assert whole.content == first.content
    assert (more.content, more.continuation_token) == ("", first.continuation_token)


async def test_dags_and_health_are_read(client: Client) -> None:
    async def listed(**asked: Any) -> tuple[list[str], int]:
        page = await call(client.dags.get_dags, **asked)
        return [dag.dag_id for dag in page.dags], page.total_entries

    every = ["data_pipeline_dag", "retrain_policy_dag", DAG]
    assert await listed() == await listed(only_active=False, paused=False, limit=100) == (every, 3)
    assert await listed(order_by="-dag_id", limit=1) == ([DAG], 3)
    assert await listed(dag_id_pattern="TRAIN_PIPE") == ([DAG], 1)
    assert await listed(paused=True) == await listed(tags=["nightly"]) == ([], 0)
    assert (await call(client.dags.get_dag, DAG)).is_paused is False
    health = await call(client.monitoring.get_health)
    assert (str(health.metadatabase.status), str(health.scheduler.status)) == ("healthy", "healthy")


async def test_variables_are_kept_changed_listed_and_forgotten(client: Client) -> None:
    """One with a slash in its key as well: the client encodes it."""
    variables, slash = client.variables, "rows/of 2026"
    for key, value in ((ROWS, "123"), (slash, "")):
        await call(variables.post_variables, Variable(key=key, value=value))
    mask = {"update_mask": ["description"]}
    named = await call(variables.patch_variable, slash, Variable(value="5", description="old"), **mask)
    changed = await call(variables.patch_variable, ROWS, Variable(key=ROWS, value="456"))
    page = await call(variables.get_variables, order_by="-key", limit=1)

    assert (named.value, named.description) == ("", "old")
    assert changed.to_dict() == (await call(variables.get_variable, ROWS)).to_dict()
    assert (page.total_entries, [one.key for one in page.variables]) == (2, [slash])
    assert (await call(variables.get_variable, slash)).key == slash
    assert await call(variables.delete_variable, slash) is None
    assert await refused(variables.get_variable, slash) == (official.exceptions.NotFoundException, 404)


async def test_refusals_are_the_clients_own_errors(client: Client) -> None:
    """The document of each says what is wrong and what is allowed."""
    runs, tasks = client.runs, client.tasks
    await call(runs.post_dag_run, DAG, DAGRun(dag_run_id=RUN))
    absent = (official.exceptions.NotFoundException, 404)
    wrong = (official.ApiException, 400)

    assert await refused(client.dags.get_dag, "no_such_dag") == absent
    assert await refused(runs.get_dag_run, DAG, "no-such-run") == absent
    assert await refused(tasks.get_task_instance, DAG, RUN, "no_such_task") == absent
    assert await refused(tasks.get_log, DAG, RUN, TASK, 1, map_index=3) == absent
    assert await refused(client.variables.delete_variable, "no_such_key") == absent
    assert await refused(client.variables.get_variable, RECORDED_ROWS) == absent
    ours = Variable(key=RECORDED_ROWS, value="0")
    assert await refused(client.variables.post_variables, ours) == wrong
    assert await refused(runs.get_dag_runs, DAG, order_by="colour") == wrong
    assert await refused(runs.post_dag_run, DAG, DAGRun(conf={"modle": 1})) == wrong
    assert await refused(runs.post_dag_run, DAG, DAGRun(data_interval_start=MAY)) == wrong
    assert await refused(runs.post_dag_run, DAG, DAGRun(dag_run_id=RUN)) == (official.ApiException, 409)
    assert await refused(runs.delete_dag_run, DAG, RUN) == (official.ApiException, 405)
    queued = UpdateDagRunState(state="queued")
    assert await refused(runs.update_dag_run_state, DAG, RUN, queued) == wrong
    runs.api_client.configuration.username = "somebody"
    assert await refused(runs.get_dag_runs, DAG) == (official.exceptions.UnauthorizedException, 401)


async def test_addresses_that_people_write_by_hand_are_understood(client: Client) -> None:
    """An address that ends with a slash, a + in a date that nobody encoded, a log asked for as text."""
    await call(client.runs.post_dag_run, DAG, DAGRun(dag_run_id=RUN))
    runs, credential = f"/api/v1/dags/{DAG}/dagRuns", (USER, PASSWORD)
    asked = {"full_content": "true"}
    text = {"Accept": "text/plain"}
    log = f"{runs}/{RUN}/taskInstances/{TASK}/logs/1"

    doubled = await client.pages.get(f"{client.pages.base_url}/{runs}", auth=credential)
    dated = await client.pages.get(f"{runs}?start_date_gte=2026-01-01T00:00:00+00:00", auth=credential)
    plain = await client.pages.get(log, params=asked, headers=text, auth=credential)

    assert [answer.json()["total_entries"] for answer in (doubled, dated)] == [1, 1]
    assert (plain.status_code, plain.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert TASK in plain.text
