"""Every split strategy, feature rule and model type, and every door: the straight figures each time.

`make soak` asks for each triple through each door.

Its cost: a lifecycle a case beside the straight one.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from aiokafka import AIOKafkaProducer

from domain.asked_request import identity_of
from domain.events import REQUEST_TOPIC
from domain.lifecycle import State
from tests.e2e.conftest import Standing
from tests.e2e.deployment import Deployment, role_process
from tests.e2e.straight_run import straight_run
from tests.kit.mlflow_record import MlflowRecord

TOKEN, USER, PASSWORD = "a-token-of-the-tests", "gateway", "a-password"
BOOSTERS = {
    5: {"type": "lightgbm", "params": {"n_estimators": 20, "random_state": 7}},
    6: {"type": "xgboost", "params": {"n_estimators": 20, "random_state": 7}},
}
# split, features, model: each strategy with every rule, each estimator, and nulls passed through.
TRIPLES = [(1, 1, 1), (2, 1, 2), (3, 1, 3), (1, 1, 4), (2, 2, 5), (3, 1, 6)]
WAYS = ("events", "plain json", "own pages", "dag pages")
CASES = [
    pytest.param(triple, way, marks=[] if number % len(WAYS) == place else pytest.mark.soak)
    for number, triple in enumerate(TRIPLES)
    for place, way in enumerate(WAYS)
]


class Doors:
    """Every way in; each gives the identity of the run that it asked for."""

    def __init__(self, deployment: Deployment, http: httpx.AsyncClient) -> None:
        self._deployment = deployment
        self._http = http

    async def ask(self, way: str, asked: Mapping[str, Any]) -> str:
        """Ask through one of them."""
        ways: Mapping[str, Callable[[Mapping[str, Any]], Awaitable[str]]] = {
            "events": self._deployment.ask,
            "plain json": self._plain_json,
            "own pages": self._own_pages,
            "dag pages": self._dag_pages,
        }
        return await ways[way](asked)

    async def _plain_json(self, asked: Mapping[str, Any]) -> str:
        """As a person with a console producer."""
        request_id = str(uuid.uuid4())
        named = {**asked, "model_name": self._deployment.model, "request_id": request_id}
        async with AIOKafkaProducer(bootstrap_servers=self._deployment.bootstrap_servers) as producer:
            await producer.send_and_wait(REQUEST_TOPIC, json.dumps(named).encode())
        return f"request:{request_id}"

    async def _own_pages(self, asked: Mapping[str, Any]) -> str:
        token = {"Authorization": f"Bearer {TOKEN}"}
        answer = await self._http.post("/training-requests", json=asked, headers=token)
        assert answer.status_code == httpx.codes.ACCEPTED
        return identity_of(answer.json()["request_id"])

    async def _dag_pages(self, asked: Mapping[str, Any]) -> str:
        path = "/api/v1/dags/train_pipeline_dag/dagRuns"
        answer = await self._http.post(path, json={"conf": asked}, auth=(USER, PASSWORD))
        assert answer.status_code == httpx.codes.OK
        return identity_of(answer.json()["dag_run_id"])


@pytest.fixture(scope="module", autouse=True)
def _boosters(standing: Standing) -> None:
    for version, model in BOOSTERS.items():
        path = standing.deployment.path(f"models/v{version}")
        path.write_text(yaml.safe_dump({"version": version, "model": model}), encoding="utf-8")


@pytest.fixture(scope="module")
def address(standing: Standing, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the HTTP door answers."""
    credentials = {"API__TOKENS": TOKEN, "API__BASIC_USER": USER, "API__BASIC_PASSWORD": PASSWORD}
    folder: Path = tmp_path_factory.mktemp("door")
    environment = standing.deployment.environment | credentials
    with role_process("api", "API__PORT", environment, folder) as role:
        yield f"http://127.0.0.1:{role.port}"


@pytest.fixture
async def doors(standing: Standing, address: str) -> AsyncIterator[Doors]:
    """All of them."""
    async with httpx.AsyncClient(base_url=address, timeout=20) as http:
        yield Doors(standing.deployment, http)


@pytest.mark.parametrize(("triple", "way"), CASES)
async def test_figures_are_those_of_the_straight_implementation_through_every_door(
    triple: tuple[int, int, int], way: str, standing: Standing, mlflow: MlflowRecord, doors: Doors
) -> None:
    deployment, (split, features, model) = standing.deployment, triple
    identity = await doors.ask(
        way, {"split_version": split, "feature_version": features, "model_version": model}
    )
    names = f"splits/v{split}", f"features/v{features}", f"models/v{model}"
    expected = (await asyncio.to_thread(straight_run, deployment, *names)).metrics
    scored = {name for name in expected if name.endswith("_rmsle")}

    run = await deployment.ended(identity)
    assert run.state in {State.COMPLETED, State.DECLINED}, run.failure
    metrics = (await mlflow.run(run.mlflow_run_id or "")).metrics
    assert {name: metrics[name] for name in expected} == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert {name for name in metrics if name.endswith("_rmsle")} == scored
