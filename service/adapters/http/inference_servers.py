"""The servers that answer predictions, asked over HTTP to load what is production now."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Final

import httpx

from domain.ports.inference_servers import ReloadAnswer

_SECONDS: Final = 20.0
_LARGEST_ANSWER: Final = 64 * 1024


class HttpInferenceServers:
    """Port `InferenceServers`: `POST /reload` to every address, side by side.

    The token goes to these addresses and nowhere else: no redirect is followed and no proxy is taken from the
    environment. An answer is bounded in size and, from the first byte to the last, in time.
    """

    def __init__(
        self,
        urls: Sequence[str],
        token: str | None,
        *,
        seconds: float = _SECONDS,
        verify: Any = True,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._urls = tuple(url.rstrip("/") for url in urls)
        self._seconds = seconds
        self._client = httpx.AsyncClient(
            # Not compressed: what is bounded must be what is read.
            headers={"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {token}"} if token else {}),
            timeout=seconds,
            follow_redirects=False,
            trust_env=False,
            verify=verify,
            transport=transport,
        )

    async def reload(self, generation: int, version: int) -> Sequence[ReloadAnswer]:  # noqa: ARG002 - the servers ask the registry
        """Ask them all; never raises for a server that is down or answers nonsense."""
        return await asyncio.gather(*(self._ask(url) for url in self._urls))

    async def stop(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(self, url: str) -> ReloadAnswer:
        try:
            async with asyncio.timeout(self._seconds):
                status, body = await self._post(url)
        except TimeoutError:
            return _failed(url, f"no answer within {self._seconds:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return _failed(url, type(error).__name__)
        return _read(url, status, body)

    async def _post(self, url: str) -> tuple[int, bytes | None]:
        """The status and the body; None for a body that is too large to read."""
        async with self._client.stream("POST", f"{url}/reload", json={}) as response:
            body = b""
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > _LARGEST_ANSWER:
                    return response.status_code, None
            return response.status_code, body


def _read(url: str, status: int, body: bytes | None) -> ReloadAnswer:
    if status != httpx.codes.OK:
        return _failed(url, f"status {status}")
    if body is None:
        return _failed(url, f"an answer of more than {_LARGEST_ANSWER} bytes")
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or answer.get("status") != "reloaded":
        return _failed(url, "the answer does not say that it reloaded")
    version = answer.get("model_version")
    return ReloadAnswer(
        server=url, reloaded=True, model_version=None if version is None else str(version)[:40]
    )


def _failed(url: str, problem: str) -> ReloadAnswer:
    return ReloadAnswer(server=url, reloaded=False, problem=problem)


async def answers_at(url: str, seconds: float = 3.0) -> str | None:
    """Say why nothing answers at an inference server's address; None when something does."""
    try:
        async with httpx.AsyncClient(timeout=seconds, trust_env=False) as client:
            await client.get(f"{url.rstrip('/')}/health")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return f"does not answer ({type(error).__name__})"
    return None
