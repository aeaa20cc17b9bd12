"""The orchestrator's own official client, as it comes: with its type checks on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import airflow_client.client as official
import httpx
import pytest
from airflow_client.client.api.dag_api import DAGApi
from airflow_client.client.api.dag_run_api import DAGRunApi
from airflow_client.client.api.monitoring_api import MonitoringApi
from airflow_client.client.api.task_instance_api import TaskInstanceApi
from airflow_client.client.api.variable_api import VariableApi

from tests.worlds.api import PASSWORD, USER, ApiWorld, door, ready


@dataclass(frozen=True)
class Client:
    """The client's parts; each call blocks, and so goes to a thread."""

    pages: httpx.AsyncClient
    dags: Any
    runs: Any
    tasks: Any
    variables: Any
    monitoring: Any

    @property
    def endpoints(self) -> Mapping[tuple[str, str], tuple[Callable[..., Any], Any]]:
        """Every method of the client, with what it knows of it, by its page."""
        found = {}
        for part in (self.dags, self.runs, self.tasks, self.variables):
            for name, endpoint in vars(part).items():
                if name.endswith("_endpoint"):
                    page = endpoint.settings["http_method"], endpoint.settings["endpoint_path"]
                    found[page] = getattr(part, name.removesuffix("_endpoint")), endpoint
        return found


@asynccontextmanager
async def client_of(world: ApiWorld) -> AsyncIterator[Client]:
    """The client of a door that is ready."""
    async with door(world) as pages:
        await ready(pages)
        host = f"{str(pages.base_url).rstrip('/')}/api/v1"
        configuration = official.Configuration(host=host, username=USER, password=PASSWORD)
        with official.ApiClient(configuration) as api:
            parts = (DAGApi, DAGRunApi, TaskInstanceApi, VariableApi, MonitoringApi)
            yield Client(pages, *(part(api) for part in parts))


async def call(method: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """Call it in a thread; what it returns has passed the client's own type checks."""
    return await asyncio.to_thread(method, *given, **named)


async def refused(method: Callable[..., Any], *given: Any, **named: Any) -> tuple[type[Exception], Any]:
    """The client's own error for a call that is refused, and the status."""
    with pytest.raises(official.ApiException) as caught:
        await call(method, *given, **named)
    assert '"detail"' in caught.value.body
    return type(caught.value), caught.value.status
