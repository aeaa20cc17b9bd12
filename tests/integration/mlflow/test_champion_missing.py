"""A person deletes the champion's version in MLflow, which drops the alias with it and tells nobody."""

import uuid
from collections.abc import AsyncIterator

import pytest
from mlflow import MlflowClient

from domain.errors import LaurelError
from domain.events import ChampionMissing
from service.adapters.mlflow.model_registry import MlflowModelRegistry
from service.adapters.postgres.champion_losses import PostgresChampionLosses
from service.adapters.postgres.database import open_database
from service.promotion.loss_watch import LossWatch
from service.runtime.clock import SystemClock
from tests.contract.stores import Stores, following, stores_on
from tests.harm.proxies import FaultProxy, err
from tests.harm.wire_formats import http
from tests.worlds.servers import MlflowServer


@pytest.fixture
def model() -> str:
    return f"it's a price {uuid.uuid4().hex}"


@pytest.fixture
def mlflow(mlflow_server: MlflowServer, model: str) -> MlflowClient:
    """Two versions are there, and the alias names the first."""
    client = MlflowClient(mlflow_server.tracking_uri)
    client.create_registered_model(model)
    for _ in range(2):
        client.create_model_version(model, source="s3://nowhere/model", run_id=None)
    client.set_registered_model_alias(model, "prod", "1")
    return client


@pytest.fixture
async def told(migrated_url: str, model: str, registry: MlflowModelRegistry) -> AsyncIterator["Told"]:
    async with open_database(migrated_url) as database:
        stores = stores_on(database, model)
        await stores.ledger.append(following(None, model))
        losses = PostgresChampionLosses(database)
        yield Told(stores, LossWatch(model, stores.ledger, registry, losses, SystemClock(), 1.0))


class Told:
    """A watch, and what it has announced."""

    def __init__(self, stores: Stores, watch: LossWatch) -> None:
        self.stores, self.watch = stores, watch

    async def after(self, looks: int) -> list[tuple[int, int, int]]:
        """Generation, version and number of each loss that is in the outbox after so many looks."""
        for _ in range(looks):
            await self.watch.look()
        rows = [row.announcement for row in await self.stores.outbox.unsent(100)]
        events = [ChampionMissing.model_validate_json(one.body) for one in rows]
        return [(event.generation, event.version, event.loss) for event in events]


async def test_a_deleted_champion_is_announced_once(told: Told, mlflow: MlflowClient, model: str) -> None:
    assert await told.after(looks=2) == []
    mlflow.delete_model_version(model, "1")
    assert await told.after(looks=3) == [(1, 1, 1)]


async def test_an_mlflow_that_answers_with_an_error_has_lost_nothing(
    told: Told, mlflow: MlflowClient, proxy: FaultProxy, model: str
) -> None:
    assert mlflow.get_model_version(model, "1")
    proxy.add(err(500, "Internal Server Error", http("GET", "model-versions/get")))
    with pytest.raises(LaurelError):
        await told.watch.look()
    assert await told.after(looks=0) == []
