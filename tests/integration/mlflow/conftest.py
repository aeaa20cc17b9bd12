"""A real MLflow server behind a proxy, and the adapters that speak to it through the proxy."""

import uuid
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.experiment_tracker import MlflowExperimentTracker
from service.adapters.mlflow.model_registry import MlflowModelRegistry
from service.adapters.mlflow.rest import MlflowRest
from service.runtime.clock import SystemClock
from tests.harm.proxies import FaultProxy
from tests.harm.wire_formats import Http
from tests.kit.mlflow_record import MlflowRecord
from tests.worlds.servers import MlflowServer

EXPERIMENT = "faults"


@pytest.fixture
async def proxy(mlflow_server: MlflowServer) -> AsyncIterator[FaultProxy]:
    """Where the adapters believe MLflow to be."""
    address = urlsplit(mlflow_server.tracking_uri)
    async with FaultProxy(address.port or 0, Http(address.netloc)) as proxy:
        yield proxy


@pytest.fixture
def access(proxy: FaultProxy) -> MlflowAccess:
    """Patience of one second: the server itself answers in milliseconds."""
    return MlflowAccess(proxy.url, timeout_seconds=1.0)


@pytest.fixture
async def rest(access: MlflowAccess) -> AsyncIterator[MlflowRest]:
    """The worker's client."""
    rest = MlflowRest(access)
    yield rest
    await rest.close()


@pytest.fixture
def tracker(rest: MlflowRest) -> MlflowExperimentTracker:
    """The tracker behind the proxy."""
    return MlflowExperimentTracker(rest, EXPERIMENT, SystemClock())


@pytest.fixture
def registry(rest: MlflowRest) -> MlflowModelRegistry:
    """The registry behind the proxy."""
    return MlflowModelRegistry(rest)


@pytest.fixture
async def record(mlflow_server: MlflowServer) -> AsyncIterator[MlflowRecord]:
    """The server itself, past the proxy."""
    record = MlflowRecord(mlflow_server.tracking_uri)
    yield record
    await record.close()


@pytest.fixture
def run_id() -> str:
    """A request's run id."""
    return str(uuid.uuid4())


@pytest.fixture
def model_name() -> str:
    """A registered model of its own."""
    return f"price-{uuid.uuid4()}"
