"""An exchange with MLflow ends, whatever the other side sends."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from domain.errors import TryLater
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.rest import MlflowRest

HEAD = b"HTTP/1.1 200 OK\r\n"


@asynccontextmanager
async def server(answer: Callable[[], bytes], pause: float = 0.0) -> AsyncIterator[str]:
    """Sends the same piece again and again, as long as somebody reads."""
    serving: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            while True:
                writer.write(answer())
                await writer.drain()
                await asyncio.sleep(pause)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.ensure_future(serve(reader, writer)))
        try:
            await serving[-1]
        finally:
            writer.transport.abort()

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
        for one in serving:
            one.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "piece",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
        b"HTTP/1.1 100 Continue\r\nx: y\r\n\r\n",
        b"x" * 1000,
        HEAD + b"content-length: 9\r\n\r\n",
    ],
)
async def test_a_head_without_an_end_ends_the_exchange(piece: bytes) -> None:
    async with server(lambda: piece) as url:
        rest = MlflowRest(MlflowAccess(url, timeout_seconds=0.3))
        with pytest.raises(TryLater) as ended:
            await rest.get("experiments/search")
        await rest.close()
    assert ended.value.waiting_on == "mlflow"


async def test_a_call_that_is_cancelled_leaves_no_thread_waiting() -> None:
    """Its connection is taken from it: a role that ends need not wait for MLflow."""
    async with server(lambda: b"", pause=0.05) as url:
        rest = MlflowRest(MlflowAccess(url, timeout_seconds=600))
        call = asyncio.ensure_future(rest.get("experiments/search"))
        await asyncio.sleep(0.2)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await asyncio.to_thread(rest._threads.shutdown)
    assert call.cancelled()
