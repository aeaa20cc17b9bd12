"""MLflow's public REST API: one client, no retries, every call bounded in time and size, and counted."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import quote

import httpx

from service.adapters.mlflow.access import API, ARTIFACTS, MlflowAccess
from service.adapters.mlflow.errors import read_answer, require_stored, unavailable

# httpx looks for it at every lock, and Python then searches all its folders: 70 times per promotion. Where it
# is not installed, it is not searched for.
if find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]

_LARGEST_ANSWER: Final = 32 * 1024 * 1024
# The server closes idle connections after 5 s: ours go first, so that no request meets a closing one.
_IDLE_SECONDS: Final = 3.0

# Told after each call: endpoint, "answered" or "failed", seconds.
Observer = Callable[[str, str, float], None]
ReadAnswer = Callable[[str, int, bytes], dict[str, Any]]


async def side_by_side(*calls: Coroutine[Any, Any, Any]) -> None:
    """Make calls at the same time; raise the first error when all have ended, so that none goes on alone."""
    for outcome in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


class MlflowRest:
    """Calls endpoints below `/api/2.0/mlflow/` of one server. Close it at the end.

    Raises TryLater `mlflow_unavailable` or NeverRetry `mlflow_refused`. `calls` counts requests by endpoint.
    """

    def __init__(self, access: MlflowAccess, observe: Observer | None = None) -> None:
        self.calls: Counter[str] = Counter()
        self._observe = observe
        self._timeout_seconds = access.timeout_seconds
        self._client = httpx.AsyncClient(
            base_url=access.url.rstrip("/"),
            headers=access.headers,
            timeout=access.timeout_seconds,
            trust_env=False,
            limits=httpx.Limits(max_connections=16, keepalive_expiry=_IDLE_SECONDS),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def get(self, endpoint: str, **query: str) -> dict[str, Any]:
        """Read; safe to repeat."""
        return await self._call("GET", endpoint, API + endpoint, params=query)

    async def post(self, endpoint: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Write, or search."""
        return await self._call("POST", endpoint, API + endpoint, json=body)

    async def patch(self, endpoint: str, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change the named one."""
        return await self._call("PATCH", endpoint, f"{API}{endpoint}/{name}", json=body)

    async def delete(self, endpoint: str, name: str) -> dict[str, Any]:
        """Delete the named one, as MLflow deletes: its record stays."""
        return await self._call("DELETE", endpoint, f"{API}{endpoint}/{name}")

    async def put_artifact(self, path: str, content: bytes) -> None:
        """Store an artifact at a path below the server's artifact root."""
        url = f"{ARTIFACTS}/{quote(path)}"
        await self._call("PUT", "artifacts", url, read=_read_stored, content=content)

    async def ping(self) -> None:
        """Ask for something that every server knows. Raises TryLater when it is no MLflow that answers."""
        await self.post("experiments/search", {"max_results": 1})

    async def _call(
        self, method: str, endpoint: str, url: str, *, read: ReadAnswer = read_answer, **request: Any
    ) -> dict[str, Any]:
        doing = f"{method} {endpoint}"
        self.calls[doing] += 1
        started, outcome = time.monotonic(), "failed"
        try:
            answer = read(doing, *await self._send(doing, method, url, request))
            outcome = "answered"
        finally:
            if self._observe:
                self._observe(doing, outcome, time.monotonic() - started)
        return answer

    async def _send(self, doing: str, method: str, url: str, request: dict[str, Any]) -> tuple[int, bytes]:
        """Send one request and read its answer whole, within the time for all of it."""
        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                self._client.stream(method, url, **request) as response,
            ):
                return response.status_code, await _read(doing, response)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise unavailable(doing, type(error).__name__, unclear=False) from error
        except (httpx.HTTPError, httpx.StreamError, TimeoutError) as error:
            raise unavailable(doing, type(error).__name__) from error


def _read_stored(doing: str, status: int, body: bytes) -> dict[str, Any]:
    require_stored(doing, status, body)
    return {}


async def _read(doing: str, response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _LARGEST_ANSWER:
            raise unavailable(doing, f"an answer of more than {_LARGEST_ANSWER} bytes")
    return bytes(body)
