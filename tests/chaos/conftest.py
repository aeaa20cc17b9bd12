"""Worlds for the cases."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from service.adapters.postgres.schema import upgrade
from tests.chaos.report import SEED
from tests.chaos.world import CANARIES, QUICK, Chaos, chaos, write_few_columns, write_models
from tests.e2e.deployment import Deployment
from tests.kit.settings_of import settings_of
from tests.kit.warm_starts import Nursery
from tests.worlds.own_requests import begin_here
from tests.worlds.registered_models import small_package
from tests.worlds.reigns import reign
from tests.worlds.servers import KafkaServer, MlflowServer
from tests.worlds.synthetic import write_world


@pytest.fixture
def random(request: pytest.FixtureRequest) -> Random:
    """Chance from the seed and the test's name."""
    return Random(f"{SEED}:{request.node.name}")


@pytest.fixture
async def deployment(
    tmp_path: Path, kafka_server: KafkaServer, database_url: str, mlflow_server: MlflowServer
) -> Deployment:
    """A deployment with short leases, 200 rows and ridge models."""
    world = write_world(tmp_path / "world", rows=200)
    write_models(world.config_root)
    write_few_columns(world.config_root)
    return Deployment(
        world, kafka_server.bootstrap_servers, database_url, mlflow_server.tracking_uri, QUICK | CANARIES
    )


@pytest.fixture
async def world(tmp_path: Path, deployment: Deployment, nursery: Nursery) -> AsyncIterator[Chaos]:
    """A world without workers."""
    async with chaos(tmp_path, deployment, nursery) as opened:
        yield opened


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, bytes]]:
    """Three models, and one of a candidate."""
    folder = tmp_path_factory.mktemp("packages")
    return [small_package(folder, seed=seed) for seed in (3, 4, 5, 6)]


@pytest.fixture
async def environment(
    deployment: Deployment, tmp_path: Path, packages: list[dict[str, bytes]]
) -> dict[str, str]:
    """The environment of a model whose third generation is champion."""
    await begin_here(deployment.bootstrap_servers, deployment.model)
    await asyncio.to_thread(upgrade, settings_of(deployment.environment).sqlalchemy_url)
    await reign(deployment.environment, tmp_path / "scratch", packages[:3])
    return deployment.environment
