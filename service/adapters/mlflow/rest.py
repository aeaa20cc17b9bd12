"""MLflow's public REST API: one client, no retries, every call bounded in time and size, and counted."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import quote, unquote

import httpx

from service.adapters.mlflow.access import API, ARTIFACTS, MlflowAccess
from service.adapters.mlflow.errors import read_answer, require_stored, unavailable
from service.adapters.mlflow.foreign_answers import Answer, Sent

# httpx looks for it at every lock, and Python then searches all its folders: 70 times per promotion. Where it
# is not installed, it is not searched for.
if find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]

_LARGEST_ANSWER: Final = 32 * 1024 * 1024
# The server closes idle connections after 5 s: ours go first, so that no request meets a closing one.
_IDLE_SECONDS: Final = 3.0

_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

# Told after each call: endpoint, "answered" or "failed", seconds.
Observer = Callable[[str, str, float], None]
ReadAnswer = Callable[[str, Answer, Sent | None, Sequence[str]], dict[str, Any]]


async def side_by_side(*calls: Coroutine[Any, Any, Any]) -> None:
    """Make calls at the same time; raise the first error when all have ended, so that none goes on alone."""
    for outcome in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


class MlflowRest:
    """Calls endpoints below `/api/2.0/mlflow/` of one server. Close it at the end.

    Raises TryLater `mlflow_unavailable` or `mlflow_foreign_answer`, NeverRetry `mlflow_refused` or
    `upload_refused`. `calls` counts requests by endpoint.
    """

    def __init__(self, access: MlflowAccess, observe: Observer | None = None) -> None:
        self.calls: Counter[str] = Counter()
        self.access = access
        self._observe = observe
        self._access = access
        self._client = httpx.AsyncClient(
            base_url=access.url.rstrip("/"),
            headers=access.headers,
            timeout=httpx.Timeout(None, connect=access.timeout_seconds, pool=access.timeout_seconds),
            verify=access.tls_context(),
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
            asked = self._client.build_request(method, url, **request)
            answer = read(doing, await self._send(doing, asked), _sent(asked), self._access.secrets)
            outcome = "answered"
        finally:
            if self._observe:
                self._observe(doing, outcome, time.monotonic() - started)
        return answer

    async def _send(self, doing: str, request: httpx.Request) -> Answer:
        """Send one request and read its answer whole, within the time for all of it."""
        sent = _sent(request)
        try:
            async with asyncio.timeout(self._access.allowed_seconds(sent.size if sent else 0)):
                response = await self._client.send(request, stream=True)
                try:
                    location = response.headers.get("Location", "")
                    return Answer(response.status_code, await _read(doing, response), location)
                finally:
                    await response.aclose()
        except (httpx.HTTPError, httpx.StreamError, TimeoutError) as error:
            cause = self._access.cause_of(error)
            unclear = not isinstance(error, _NOT_SENT)
            raise unavailable(doing, cause.text, unclear=unclear, advice=cause.advice) from error


def _sent(request: httpx.Request) -> Sent | None:
    """What the request carries, named as its last words are; None for one that only asks."""
    size = int(request.headers.get("Content-Length", 0))
    return Sent(unquote(request.url.path.rpartition("/")[2]), size) if size else None


def _read_stored(doing: str, answer: Answer, sent: Sent | None, hide: Sequence[str]) -> dict[str, Any]:
    require_stored(doing, answer, sent, hide)
    return {}


async def _read(doing: str, response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _LARGEST_ANSWER:
            raise unavailable(doing, f"an answer of more than {_LARGEST_ANSWER} bytes")
    return bytes(body)
