"""Callers that send too much, too slowly or too often, at a server in this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

_MEGABYTE: Final = 1 << 20
_ENOUGH: Final = 48 * _MEGABYTE  # more than any server may read, or keep
_MOST_KEPT: Final = 24 * _MEGABYTE
_SLOWEST: Final = 20.0

_POST: Final = b"POST /none HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
_GET: Final = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"

# By what it is of which there is no end: how it begins, and what comes again and again.
ENDLESS: Final = {
    "header lines": (_GET, b"a:b\r\n" * 50_000),
    "a header": (_GET + b"a: ", b"a" * 250_000),
    "a path": (b"GET /", b"a" * 250_000),
    "empty lines": (b"", b"\r\n" * 125_000),
    "requests": (b"", (_GET + b"\r\n") * 5_000),
    "no requests": (b"", b"\x00\xff" * 125_000),
    "trailers": (_POST + b"\r\n1\r\n \r\n0\r\n", b"a:b\r\n" * 50_000),
    "a trailer": (_POST + b"\r\n1\r\n \r\n0\r\na: ", b"a" * 250_000),
    "a chunk's extension": (_POST + b"\r\n1;", b"a" * 250_000),
}


async def flood(port: int, kind: str) -> tuple[int, bytes]:
    """Send what has no end; return how many bytes were taken, and the first line of the answer.

    Meanwhile /health/live answers, and memory does not grow.
    """
    head, block = ENDLESS[kind]
    async with connected(port) as (reader, writer):
        writer.write(head)
        before, taken = _resident(), 0
        with suppress(ConnectionError):
            while taken < _ENOUGH and not reader.at_eof():
                writer.write(block)
                await asyncio.wait_for(writer.drain(), _SLOWEST)
                taken += len(block)
                assert _resident() - before < _MOST_KEPT
        assert await lives(port)
        with suppress(ConnectionError):
            return taken, await asyncio.wait_for(reader.readline(), _SLOWEST)
    return taken, b""


async def crowd(port: int, sent: bytes, count: int) -> list[bytes]:
    """Hold so many connections on which this was sent; return what each was told before it was ended.

    Meanwhile /health/live answers, and memory does not grow.
    """
    before = _resident()
    async with AsyncExitStack() as stack:
        pairs = [await stack.enter_async_context(connected(port)) for _ in range(count)]
        for _, writer in pairs:
            writer.write(sent)
        assert await lives(port)
        assert _resident() - before < _MOST_KEPT
        return [await _last_words(reader) for reader, _ in pairs]


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """One connection, closed afterwards."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def lives(port: int) -> bool:
    """True when /health/live says 200."""
    async with connected(port) as (reader, writer):
        writer.write(_GET + b"Connection: close\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), _SLOWEST)
    return answer.startswith(b"HTTP/1.1 200 ")


async def _last_words(reader: asyncio.StreamReader) -> bytes:
    try:
        return await asyncio.wait_for(reader.read(), _SLOWEST)
    except ConnectionError:
        return b""


def _resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
