"""A connection that is kept, with just enough of HTTP/1.1 to ask a server as fast as it answers."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

_JSON: Final = {"Content-Type": "application/json"}
_LARGEST_HEAD: Final = 1 << 16


class Answer(NamedTuple):
    """Status, headers by lower-case name, and the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def request(path: str, body: Any, headers: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a POST of a JSON value, made once and sent often."""
    content = json.dumps(body).encode()
    every = {"Host": "127.0.0.1", "Content-Length": str(len(content)), **_JSON, **(headers or {})}
    lines = "".join(f"{name}: {text}\r\n" for name, text in every.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + content


class Connection:
    """One request at a time; connects when it is first asked, and after a failure. A context manager."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        """Connect later."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        self._close()

    async def ask(self, request: bytes) -> Answer:
        """Send a request and read its answer. Raises OSError or EOFError when the connection fails."""
        try:
            return await self._exchange(request)
        except (OSError, EOFError):
            self._close()
            raise

    async def _exchange(self, request: bytes) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=_LARGEST_HEAD)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in head[1:-2])
        headers = {name.lower(): text.strip() for name, _, text in pairs}
        body = await reader.readexactly(int(headers["content-length"]))
        return Answer(int(head[0].split(" ", 2)[1]), headers, body)

    def _close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
