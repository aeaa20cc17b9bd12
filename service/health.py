"""GET /health/live, /health/ready and /metrics: what an orchestrator and Prometheus ask a process."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final

from domain.errors import LaurelError
from service.metrics import Metrics

Ping = Callable[[], Awaitable[None]]

_HEAD_BYTES: Final = 8192
_HEAD_SECONDS: Final = 5.0
_JSON: Final = "application/json"
_PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"


class Vitals:
    """What this process cannot be without: tasks that may not end, and other signs of life."""

    def __init__(self) -> None:
        self._signs: dict[str, Callable[[], bool]] = {}

    def watch(self, name: str, alive: Callable[[], bool]) -> None:
        """Ask `alive` each time."""
        self._signs[name] = alive

    def watch_task(self, name: str, task: asyncio.Task[object]) -> None:
        """A task that is done is dead, however it ended."""
        self.watch(name, lambda: not task.done())

    def dead(self) -> list[str]:
        """The names of what has died."""
        return [name for name, alive in self._signs.items() if not alive()]


class Readiness:
    """Whether every service that this process needs answers now."""

    def __init__(self, pings: Mapping[str, Ping], *, timeout_seconds: float = 2.0) -> None:
        self._pings = pings
        self._timeout_seconds = timeout_seconds

    async def missing(self) -> dict[str, str]:
        """Why, by the name of each service that does not answer; asked side by side."""
        answers = await asyncio.gather(*(self._why(ping) for ping in self._pings.values()))
        return {name: why for name, why in zip(self._pings, answers, strict=True) if why is not None}

    async def _why(self, ping: Ping) -> str | None:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await ping()
        except TimeoutError:
            return f"no answer within {self._timeout_seconds:g} s"
        except LaurelError as error:
            return error.message
        except Exception as error:  # noqa: BLE001 - any failure of a ping is an answer; its text may hold a secret
            return type(error).__name__
        return None


class HealthServer:
    """A small HTTP server in the process's own event loop: a loop that hangs does not answer."""

    def __init__(self, vitals: Vitals, readiness: Readiness, metrics: Metrics) -> None:
        self._vitals = vitals
        self._readiness = readiness
        self._metrics = metrics
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port (for port 0, which one it became). Raises OSError when it is taken."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=_HEAD_BYTES)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def answer(self, method: str, path: str) -> tuple[HTTPStatus, str, bytes]:
        """Status, content type and body of one request."""
        if method not in {"GET", "HEAD"}:
            return _json(HTTPStatus.METHOD_NOT_ALLOWED, {"error": "only GET is answered here"})
        match path:
            case "/health/live":
                dead = self._vitals.dead()
                return _json(_good_unless(dead), {"live": not dead, "dead": dead})
            case "/health/ready":
                missing = await self._readiness.missing()
                dead = self._vitals.dead()
                ready = not missing and not dead
                return _json(_good_unless(not ready), {"ready": ready, "missing": missing, "dead": dead})
            case "/metrics":
                return HTTPStatus.OK, _PROMETHEUS, self._metrics.render()
        return _json(HTTPStatus.NOT_FOUND, {"error": "no such page"})

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                words = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
                method, path = words[0], words[1].partition("?")[0] if len(words) > 1 else ""
                status, kind, body = await self.answer(method, path)
                writer.write(_head(status, kind, len(body)) + (b"" if method == "HEAD" else body))
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, TimeoutError):
            pass  # who asks badly or goes away gets no answer
        finally:
            writer.close()


def _good_unless(bad: object) -> HTTPStatus:
    return HTTPStatus.SERVICE_UNAVAILABLE if bad else HTTPStatus.OK


def _json(status: HTTPStatus, content: Mapping[str, object]) -> tuple[HTTPStatus, str, bytes]:
    return status, _JSON, json.dumps(content).encode() + b"\n"


def _head(status: HTTPStatus, kind: str, length: int) -> bytes:
    lines = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"content-type: {kind}",
        f"content-length: {length}",
        "cache-control: no-store",
        "connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode()
