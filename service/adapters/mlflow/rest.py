"""MLflow's public REST API for an event loop: no retries, every call bounded in time and size, and counted.

Each call runs in a thread, on a connection that an earlier call has left. What is created is created once:
after an unclear answer, look whether it happened, and adopt what is there.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar
from urllib.parse import unquote

from domain.errors import NeverRetry, TryLater
from service.adapters.mlflow.access import API, MlflowAccess
from service.adapters.mlflow.answer_types import MlflowAnswer
from service.adapters.mlflow.errors import ForeignAnswer, Sent, is_unclear, read_answer, unavailable
from service.adapters.mlflow.sync_client import SyncClient, as_json, with_query

_AT_ONCE: Final = 16
# Names are resolved by the system, which no deadline of ours can end.
_RESOLVING_SECONDS: Final = 1.0

# Told after each call: endpoint, "answered" or "failed", seconds.
Observer = Callable[[str, str, float], None]


async def side_by_side(*calls: Awaitable[object]) -> None:
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
        self._context = access.tls_context()
        self._threads = ThreadPoolExecutor(_AT_ONCE, "mlflow")
        self._idle: list[SyncClient] = []
        self._most_idle = _AT_ONCE

    async def close(self) -> None:
        """Close the connections."""
        self._most_idle = 0
        self._threads.shutdown(wait=False, cancel_futures=True)
        while self._idle:
            self._idle.pop().close()

    async def get(self, endpoint: str, **query: str) -> MlflowAnswer:
        """Read; safe to repeat."""
        return await self._call("GET", endpoint, with_query(API + endpoint, query))

    async def post(self, endpoint: str, body: Mapping[str, object]) -> MlflowAnswer:
        """Write, or search."""
        return await self._call("POST", endpoint, API + endpoint, as_json(body))

    async def patch(self, endpoint: str, name: str, body: Mapping[str, object]) -> MlflowAnswer:
        """Change the named one."""
        return await self._call("PATCH", endpoint, f"{API}{endpoint}/{name}", as_json(body))

    async def delete(self, endpoint: str, name: str) -> MlflowAnswer:
        """Delete the named one, as MLflow deletes: its record stays."""
        return await self._call("DELETE", endpoint, f"{API}{endpoint}/{name}")

    async def ping(self) -> None:
        """Ask for something that every server knows. Raises TryLater when it is no MLflow that answers."""
        await self.post("experiments/search", {"max_results": 1})

    async def _call(self, method: str, endpoint: str, url: str, body: bytes | None = None) -> MlflowAnswer:
        doing, size = f"{method} {endpoint}", len(body or b"")
        self.calls[doing] += 1
        started, outcome = time.monotonic(), "failed"
        try:
            answer = await self._asked(doing, size, lambda client: client.ask(doing, method, url, body))
            found = read_answer(doing, answer, _sent(url, size), self.access.secrets)
            outcome = "answered"
        finally:
            if self._observe:
                self._observe(doing, outcome, time.monotonic() - started)
        return found

    async def _asked(
        self, doing: str, size: int, ask: Callable[[SyncClient], ForeignAnswer]
    ) -> ForeignAnswer:
        """Ask in a thread. A caller that stops waiting takes the connection away from it, and it ends."""
        client = self._idle.pop() if self._idle else SyncClient(self.access, self._context)
        seconds = self.access.allowed_seconds(size)
        exchange = self._threads.submit(ask, client)
        try:
            async with asyncio.timeout(seconds + _RESOLVING_SECONDS):
                answer = await asyncio.wrap_future(exchange)
        except TimeoutError as error:
            _end(client, exchange)
            raise unavailable(doing, f"no answer within {seconds + _RESOLVING_SECONDS:.0f} s") from error
        except BaseException:
            _end(client, exchange)
            raise
        self._leave(client)
        return answer

    def _leave(self, client: SyncClient) -> None:
        if len(self._idle) < self._most_idle:
            self._idle.append(client)
        else:
            client.close()


def _end(client: SyncClient, exchange: Future[ForeignAnswer]) -> None:
    """End an exchange that nobody waits for: its thread may be past the point where it hears of it."""
    client.abort()
    exchange.add_done_callback(lambda _: client.close())


def _sent(url: str, size: int) -> Sent | None:
    """What the request carries, named as its last words are; None for one that only asks."""
    return Sent(unquote(url.rpartition("/")[2]), size) if size else None


Found = TypeVar("Found")

ORPHAN_TAG: Final = "laurel.orphan"


async def find_or_create(
    find: Callable[[], Awaitable[Found | None]], create: Callable[[], Awaitable[Found]], *, is_new: bool
) -> Found:
    """Return what is there, else create it: one creating request at the most.

    What `is_new`, because nobody can have asked for it before, is looked for only after an unclear answer.
    """
    found = None if is_new else await find()
    return await create_or_adopt(create, find) if found is None else found


async def create_or_adopt(
    create: Callable[[], Awaitable[Found]], find: Callable[[], Awaitable[Found | None]]
) -> Found:
    """Create, and after an unclear answer return what was created all the same.

    Raises TryLater when nothing is to be seen of it; a repeat has to look first.
    """
    try:
        return await create()
    except TryLater as error:
        if not is_unclear(error) or (found := await find()) is None:
            raise
        return found


def quoted(value: str) -> str:
    """Write a value down for one of MLflow's filters, which know no escapes. Raises NeverRetry."""
    quote = '"' if "'" in value else "'"
    if quote in value:
        raise NeverRetry(
            "mlflow_refused", "MLflow cannot search for a text with both kinds of quotes", text=value
        )
    return f"{quote}{value}{quote}"
