"""The story's way in over HTTP: ask, and read the progress as any client would."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import httpx

from domain.asked_request import identity_of
from domain.errors import TryLater
from service.adapters.http.bounded import open_client

_POLL_SECONDS: Final = 0.1
_PAGE: Final = "/training-requests"


@dataclass(frozen=True)
class Accepted:
    """A request that was taken in."""

    location: str
    identity: str


@dataclass(frozen=True)
class GatewayClient:
    """`laurel api` at an address."""

    client: httpx.AsyncClient
    url: str

    async def ask(self, payload: Mapping[str, object]) -> Accepted:
        """Request a training as soon as the API can accept it. Raises TryLater when it refuses."""
        while not await self._is_ready():  # noqa: ASYNC110 - another process tells it, over HTTP
            await asyncio.sleep(_POLL_SECONDS)
        answer = await self.client.post(f"{self.url}{_PAGE}", json=payload)
        if answer.status_code != httpx.codes.ACCEPTED:
            raise TryLater("demo", f"the HTTP API answered {answer.status_code}: {answer.text}")
        return Accepted(answer.headers["Location"], identity_of(answer.json()["request_id"]))

    async def progress(self, asked: Accepted) -> AsyncIterator[str]:
        """A line for each event of the progress stream, up to its end."""
        first: datetime | None = None
        async with self.client.stream("GET", f"{self.url}{asked.location}/events") as stream:
            async for line in stream.aiter_lines():
                name, _, value = line.partition(": ")
                if name != "data":
                    continue
                told = json.loads(value)
                if "done" not in told:
                    return
                at = datetime.fromisoformat(told["at"])
                first = first or at
                seconds = (at - first).total_seconds()
                yield f"{told['done']} of {told['steps']}  {seconds:5.2f} s  {told['state']}"

    async def _is_ready(self) -> bool:
        try:
            return (await self.client.get(f"{self.url}/health/ready")).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


@asynccontextmanager
async def open_gateway(url: str, token: str) -> AsyncIterator[GatewayClient]:
    """Open the way to it; it may still be starting."""
    async with open_client(token, verify=True) as client:
        yield GatewayClient(client, url)
