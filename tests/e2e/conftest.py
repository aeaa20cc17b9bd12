"""Deployments on the session's servers."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from domain.run import Run
from tests.chaos.world import write_few_columns, write_models
from tests.e2e.deployment import Deployment, deploy, worker_process
from tests.kit.mlflow_record import MlflowRecord
from tests.worlds.servers import KafkaServer, MlflowServer, PostgresServer
from tests.worlds.synthetic import write_master


@dataclass(frozen=True)
class Standing:
    """A deployment with a worker that runs, and its first run: promoted, since nobody was champion."""

    deployment: Deployment
    first: Run


@pytest.fixture
def deployment(
    tmp_path: Path, kafka_server: KafkaServer, database_url: str, mlflow_server: MlflowServer
) -> Deployment:
    """A deployment without a worker."""
    return deploy(tmp_path, kafka_server.bootstrap_servers, database_url, mlflow_server.tracking_uri)


@pytest.fixture
def small(
    tmp_path: Path, kafka_server: KafkaServer, database_url: str, mlflow_server: MlflowServer
) -> Deployment:
    """The same with few rows and columns, and ridge models from 101 on, each better than the one before."""
    made = deploy(tmp_path, kafka_server.bootstrap_servers, database_url, mlflow_server.tracking_uri)
    write_master(made.world.master, rows=200)
    write_few_columns(made.world.config_root)
    write_models(made.world.config_root)
    return made


@pytest.fixture(scope="module")
def standing(
    tmp_path_factory: pytest.TempPathFactory,
    kafka_server: KafkaServer,
    postgres_server: PostgresServer,
    mlflow_server: MlflowServer,
) -> Iterator[Standing]:
    """One for all tests of a module."""
    folder = tmp_path_factory.mktemp("standing")
    name = f"test_{uuid.uuid4().hex}"
    url = postgres_server.create_database(name)
    deployment = deploy(folder, kafka_server.bootstrap_servers, url, mlflow_server.tracking_uri)
    with worker_process(deployment, folder / "worker"):
        first = asyncio.run(deployment.carried({"reason": "the first", "requested_by": "tests"}))
        yield Standing(deployment, first)
    postgres_server.drop_database(name)


@pytest.fixture
async def mlflow(mlflow_server: MlflowServer) -> AsyncIterator[MlflowRecord]:
    """What MLflow itself says."""
    record = MlflowRecord(mlflow_server.tracking_uri)
    yield record
    await record.close()
