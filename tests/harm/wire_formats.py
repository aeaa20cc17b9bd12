"""How bytes on a connection fall into requests and answers: what a fault proxy has to know of a protocol."""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol

Match = Callable[[bytes], bool]
_LARGEST_HEAD: Final = 1 << 20
_CHUNK: Final = 1 << 16


class WireFormat(Protocol):
    """`answers_each`: every request has exactly one answer, and answers come in the order of the requests."""

    answers_each: bool

    def requests(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        """Each message of the client, whole."""

    def answers(self, reader: asyncio.StreamReader, asked: deque[bytes]) -> AsyncIterator[bytes]:
        """Each answer of the server, whole; or whatever has arrived where answers are not told apart.

        `asked` holds the beginnings of the requests that it answers, in order.
        """


class Http:
    """HTTP/1.1. Not for upgrades.

    `host` replaces the client's Host header, for servers that know only their own names.
    """

    answers_each = True

    def __init__(self, host: str | None = None) -> None:
        self._host = rf"\g<1>{host}".encode() if host else None

    async def requests(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        """Head and body together."""
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if self._host:
                head = re.sub(rb"(\r\nhost: *)[^\r]*", self._host, head, count=1, flags=re.IGNORECASE)
            yield head + await _http_body(reader, head, until_close=False)

    async def answers(self, reader: asyncio.StreamReader, asked: deque[bytes]) -> AsyncIterator[bytes]:
        """Head and body together."""
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            to_head = asked.popleft().startswith(b"HEAD ")
            bodiless = to_head or re.match(rb"HTTP/1\.\d (204|304)", head) is not None
            yield head if bodiless else head + await _http_body(reader, head, until_close=True)


class Kafka:
    """Kafka's protocol: four bytes of length, then the frame; the api key stands in bytes 4 and 5."""

    answers_each = True

    async def requests(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        """Frames with their length."""
        while True:
            length = await reader.readexactly(4)
            yield length + await reader.readexactly(int.from_bytes(length, "big"))

    async def answers(self, reader: asyncio.StreamReader, asked: deque[bytes]) -> AsyncIterator[bytes]:
        """Frames with their length."""
        del asked
        async for frame in self.requests(reader):
            yield frame


class Postgres:
    """PostgreSQL's protocol, in the clear. Its server also speaks unasked, so answers are not told apart."""

    answers_each = False

    async def requests(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        """Messages with type and length; first those that open the session, which have no type."""
        opened = False
        while not opened:
            length = await reader.readexactly(4)
            message = length + await reader.readexactly(int.from_bytes(length, "big") - 4)
            opened = message[4:6] == b"\x00\x03"  # protocol 3: all else asks for encryption or cancels
            yield message
        while True:
            head = await reader.readexactly(5)
            yield head + await reader.readexactly(int.from_bytes(head[1:], "big") - 4)

    async def answers(self, reader: asyncio.StreamReader, asked: deque[bytes]) -> AsyncIterator[bytes]:
        """Whatever has arrived."""
        del asked
        while chunk := await reader.read(_CHUNK):
            yield chunk


def every(_request: bytes) -> bool:
    """Match any request."""
    return True


def http(method: str, path: str) -> Match:
    """Match a method (`.` for any) and a regular expression somewhere in path and query."""
    pattern = re.compile(rf"({method}) \S*{path}".encode() if method != "." else rf"\w+ \S*{path}".encode())
    return lambda request: pattern.match(request.split(b"\r\n", 1)[0]) is not None


def kafka(*api_keys: int) -> Match:
    """Match Kafka requests by api key: 0 Produce, 1 Fetch, 8 OffsetCommit, 11 JoinGroup, 12 Heartbeat."""
    return lambda request: int.from_bytes(request[4:6], "big") in api_keys


def postgres(text: str) -> Match:
    """Match queries, simple or prepared, that contain a text, whatever its case."""
    wanted = text.lower().encode()
    return lambda request: request[:1] in {b"Q", b"P"} and wanted in request.lower()


async def _http_body(reader: asyncio.StreamReader, head: bytes, *, until_close: bool) -> bytes:
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    if length:
        return await reader.readexactly(int(length[1]))
    if re.search(rb"\r\ntransfer-encoding: *chunked", head, re.IGNORECASE):
        return await _http_chunks(reader)
    return await reader.read(-1) if until_close else b""


async def _http_chunks(reader: asyncio.StreamReader) -> bytes:
    whole = b""
    while True:
        size_line = await reader.readuntil(b"\r\n")
        chunk = await reader.readexactly(int(size_line.split(b";")[0], 16) + 2)
        whole += size_line + chunk
        if chunk == b"\r\n":
            return whole
