"""The story's two servers: what they answer, and how long a promotion took to reach them all."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import httpx

from config.settings import Settings
from domain.announcement import reloaded_event_id, said_seconds
from domain.convergence import Problem
from domain.ports.inference_servers import InferenceServers
from domain.ports.messages import Outbox
from service.adapters.http.bounded import ask, open_client
from service.adapters.http.inference_servers import refusal_of
from service.rollout.replica_clients import open_servers

_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05


@dataclass(frozen=True)
class Replicas:
    """Every address behind the configured URLs."""

    servers: InferenceServers
    outbox: Outbox
    client: httpx.AsyncClient
    model_name: str

    async def answer(self, row: Mapping[str, object]) -> str:
        """Ask the first of them for a prediction; say what it answers."""
        first = (await self.servers.replicas())[0]
        answer = await ask(self.client, first, "POST", "/predict", seconds=_SECONDS, content=row)
        if isinstance(answer, Problem):
            return answer.detail
        said = answer.document() or {}
        if "prediction" not in said:
            return refusal_of(answer).detail
        return f"{said['prediction']:,.0f} dollars, by version {said['model_version']}"

    async def converged(self, generation: int) -> tuple[int, float]:
        """Wait until each of them serves a generation; return how many, and after how many seconds."""
        replicas = await self.servers.replicas()
        ids = [reloaded_event_id(self.model_name, replica, generation) for replica in replicas]
        async with asyncio.timeout(_SECONDS):
            while len(told := await self.outbox.told(ids)) < len(ids):  # noqa: ASYNC110 - the outbox signals nothing
                await asyncio.sleep(_POLL_SECONDS)  # the reload listener tells the run store, not us
        return len(ids), max(said_seconds(event) or 0.0 for event in told)


@asynccontextmanager
async def open_replicas(settings: Settings, outbox: Outbox) -> AsyncIterator[Replicas]:
    """Open the way to them."""
    token = settings.inference_internal_token
    client = open_client(token.get_secret_value() if token else None, verify=True)
    async with client, open_servers(settings) as servers:
        yield Replicas(servers, outbox, client, settings.mlflow_model_name)
