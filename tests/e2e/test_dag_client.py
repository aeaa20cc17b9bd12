"""A platform that knows only the orchestrator's REST API tells the whole story through Laurel's door."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.deployment import Deployment, deploy, role_process, worker_process
from tests.kit.eventually import eventually
from tests.worlds.servers import KafkaServer, MlflowServer, PostgresServer
from tests.worlds.synthetic import write_master

USER, PASSWORD = "platform", "a password of the tests"
DAG = "train_pipeline_dag"
TASKS = [
    "resolve_runtime_config",
    "start_experiment_run",
    "split_task",
    "version_splits",
    "train_task",
    "evaluate_task",
    "promote_task",
    "persist_promoted_defaults_task",
    "reload_inference_on_promotion_task",
    "notify_success_task",
]
VERSIONS = {"feature_version": 1, "split_version": 1, "model_version": 1}


class Platform:
    """A gateway with its dashboard: HTTP Basic, five seconds for each call, and the status line alone."""

    def __init__(self, address: str) -> None:
        self._calls = httpx.AsyncClient(base_url=f"{address}/api/v1", auth=(USER, PASSWORD), timeout=5)
        self._address = address

    async def close(self) -> None:
        """Let go of the connections."""
        await self._calls.aclose()

    async def healthy(self) -> bool:
        """Is the orchestrator up? Asked without a credential."""
        async with httpx.AsyncClient(timeout=3) as anybody:
            return (await anybody.get(f"{self._address}/health")).status_code == httpx.codes.OK

    async def _get(self, path: str, **asked: Any) -> Any:
        answer = await self._calls.get(path, params=asked)
        answer.raise_for_status()
        return answer.json()

    async def train(self, conf: dict[str, Any]) -> str:
        """Trigger a training; its id."""
        answer = await self._calls.post(f"/dags/{DAG}/dagRuns", json={"conf": conf})
        answer.raise_for_status()
        run = answer.json()
        assert (run["dag_id"], run["state"], run["conf"]) == (DAG, "queued", conf)
        return str(run["dag_run_id"])

    async def ended(self, run_id: str) -> dict[str, Any]:
        """Look at the list of runs until this one has ended, as a dashboard does."""
        seen = []

        async def look() -> dict[str, Any] | None:
            page = await self._get(f"/dags/{DAG}/dagRuns", limit=25, order_by="-execution_date")
            run = next(run for run in page["dag_runs"] if run["dag_run_id"] == run_id)
            seen.append(run["state"])
            return run if run["state"] in {"success", "failed"} else None

        run: dict[str, Any] | None = await eventually(look, within=60)
        assert run is not None
        order = ["queued", "running", "success", "failed"]
        assert [order.index(state) for state in seen] == sorted(order.index(state) for state in seen)
        assert run["logical_date"] <= run["start_date"] <= run["end_date"]
        return run

    async def tasks(self, run_id: str) -> dict[str, dict[str, Any]]:
        """The tasks of a run by their ids."""
        page = await self._get(f"/dags/{DAG}/dagRuns/{run_id}/taskInstances")
        assert page["total_entries"] == len(page["task_instances"])
        return {task["task_id"]: task for task in page["task_instances"]}

    async def overview(self) -> dict[str, Any]:
        """Every DAG with the runs that it has."""
        dags = [dag["dag_id"] for dag in (await self._get("/dags"))["dags"] if dag["is_active"]]
        return {dag: (await self._get(f"/dags/{dag}/dagRuns"))["dag_runs"] for dag in dags}

    async def variable(self, key: str) -> str | None:
        """Read a variable; None when it was never set."""
        answer = await self._calls.get(f"/variables/{key}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        answer.raise_for_status()
        return str(answer.json()["value"])

    async def forget_variable(self, key: str) -> None:
        """Take back what was set."""
        (await self._calls.delete(f"/variables/{key}")).raise_for_status()

    async def set_variable(self, key: str, value: str) -> list[int]:
        """Change it, or make it where it cannot be changed; the statuses on the way."""
        body = {"key": key, "value": value}
        changed = await self._calls.patch(f"/variables/{key}", json=body)
        if changed.status_code not in {400, 404}:
            return [changed.status_code]
        made = await self._calls.post("/variables", json=body)
        return [changed.status_code, made.status_code]


@dataclass(frozen=True)
class Place:
    """Where the door answers, and the master of the worker behind it."""

    address: str
    master: Path


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory,
    kafka_server: KafkaServer,
    postgres_server: PostgresServer,
    mlflow_server: MlflowServer,
) -> Iterator[Place]:
    """A door with a worker behind it, which looks at its world often."""
    folder = tmp_path_factory.mktemp("dag")
    url = postgres_server.create_database("dag_client")
    more = {"API__BASIC_USER": USER, "API__BASIC_PASSWORD": PASSWORD, "WORKER__RECONCILE_SECONDS": "0.2"}
    deployment: Deployment = deploy(
        folder, kafka_server.bootstrap_servers, url, mlflow_server.tracking_uri, **more
    )
    with ExitStack() as stack:
        stack.enter_context(worker_process(deployment, folder / "worker"))
        door = role_process("api", "API__PORT", deployment.environment, folder / "api")
        address = f"http://127.0.0.1:{stack.enter_context(door).port}"
        yield Place(address, deployment.world.master)
    postgres_server.drop_database("dag_client")


@pytest.fixture
async def platform(place: Place) -> AsyncIterator[Platform]:
    """The client."""
    platform = Platform(place.address)
    yield platform
    await platform.close()


async def test_a_client_of_the_orchestrator_tells_the_whole_story(platform: Platform) -> None:
    """Nobody is champion, so the first is promoted; the same again is not better; the third cannot be."""
    assert await platform.healthy()
    ids = [await platform.train(conf) for conf in (VERSIONS, VERSIONS, {"model_version": 99})]
    promoted, declined, rejected = [await platform.ended(run_id) for run_id in ids]

    assert [run["state"] for run in (promoted, declined, rejected)] == ["success", "success", "failed"]
    assert promoted["note"].startswith("promoted: version 1, generation 1; ")
    assert declined["note"].startswith("declined (DECLINE); ")
    assert rejected["note"].startswith("rejected: unknown_version: ")
    assert "99" in rejected["note"]
    tasks = [await platform.tasks(run_id) for run_id in ids]
    assert [list(named) for named in tasks] == [TASKS] * 3
    states = [[task["state"] for task in named.values()] for named in tasks]
    assert states == [
        ["success"] * 10,
        ["success"] * 6 + ["skipped"] * 4,
        ["failed"] + ["upstream_failed"] * 9,
    ]
    assert tasks[0]["train_task"]["duration"] > 0
    assert tasks[0]["train_task"]["start_date"] >= tasks[0]["split_task"]["end_date"]
    assert tasks[2]["resolve_runtime_config"]["note"] == rejected["note"]
    overview = await platform.overview()
    assert [run["dag_run_id"] for run in overview.pop(DAG)] == ids
    assert overview == {"data_pipeline_dag": [], "retrain_policy_dag": []}


async def test_the_platform_keeps_its_variables_here(platform: Platform) -> None:
    key = "RETRAIN_THRESHOLD_ROWS"
    assert await platform.variable(key) is None
    assert await platform.set_variable(key, "123") == [404, 200]
    assert await platform.variable(key) == "123"
    assert await platform.set_variable(key, "456") == [200]
    assert await platform.variable(key) == "456"


async def test_the_rows_of_the_master_are_known_until_somebody_sets_others(
    platform: Platform, place: Place
) -> None:
    """The data pipeline appends, writes half a file, and takes it away: the last whole one is what counts."""
    key = "CURRENT_MASTER_ROWS"

    async def counted(rows: int) -> None:
        async def look() -> bool:
            return await platform.variable(key) == str(rows)

        await eventually(look, within=60)

    await counted(600)
    write_master(place.master, rows=700)
    await counted(700)
    place.master.write_bytes(place.master.read_bytes()[:-100])
    assert await platform.variable(key) == "700"
    assert await platform.set_variable(key, "5") == [200]
    place.master.unlink()
    write_master(place.master, rows=650)
    assert await platform.variable(key) == "5"
    await platform.forget_variable(key)
    await counted(650)


async def test_a_wrong_password_is_a_401_and_health_needs_none(place: Place) -> None:
    async with httpx.AsyncClient(base_url=place.address, auth=(USER, "wrong"), timeout=5) as somebody:
        assert (await somebody.get("/api/v1/dags")).status_code == httpx.codes.UNAUTHORIZED
    async with httpx.AsyncClient(base_url=place.address, timeout=3) as anybody:
        assert (await anybody.get("/health")).status_code == httpx.codes.OK
