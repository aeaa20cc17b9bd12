"""A webhook of a test: it keeps what is posted to it, and misbehaves on demand."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Self

PASSWORD: Final = "canary-of-the-webhook"  # noqa: S105 - its own
_ANSWERS: Final = {"take": "200 Fine", "refuse": "500 Broken", "redirect": "307 Elsewhere"}


@dataclass
class Webhook:
    """`behave`: take, refuse (500), hang, drip, redirect, or vanish: nobody listens. `asked` counts posts.

    It refuses what is longer than `takes_bytes` (413), and keeps it among `refused`.
    """

    behave: str = "take"
    takes_bytes: int = 1 << 20
    refused: list[dict[str, Any]] = field(default_factory=list)
    heard: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0
    port: int = 0
    elsewhere: str = "/"
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def start(self) -> Self:
        """Listen, unless it is to vanish; its port is known in any case."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        if self.behave == "vanish":
            await self.stop()
        return self

    async def stop(self) -> None:
        """Listen no more, and cut every connection."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await asyncio.sleep(0)

    @property
    def url(self) -> str:
        """Its Apprise address, with a password and a path that nobody may read elsewhere."""
        return f"json://user:{PASSWORD}@127.0.0.1:{self.port}/path-{PASSWORD}"

    @property
    def titles(self) -> list[str]:
        """Of the messages that it took, in order."""
        return [message["title"] for message in self.heard]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            message = json.loads(await reader.readexactly(length))
            self.asked += 1
            too_large = length > self.takes_bytes
            if too_large:
                self.refused.append(message)
            if self.behave == "hang":
                await asyncio.Event().wait()
            if self.behave == "drip":
                await _drip(writer)
            if self.behave == "take" and not too_large:
                self.heard.append(message)
            answer = "413 Too Large" if too_large else _ANSWERS[self.behave]
            head = f"HTTP/1.1 {answer}\r\nlocation: {self.elsewhere}\r\n"
            writer.write(f"{head}content-length: 0\r\nconnection: close\r\n\r\n".encode())
            await writer.drain()
        self._open.discard(writer)
        writer.close()


async def _drip(writer: asyncio.StreamWriter) -> None:
    """An answer that never ends, and is never silent for long."""
    writer.write(b"HTTP/1.1 200 Fine\r\ncontent-length: 1000000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)
