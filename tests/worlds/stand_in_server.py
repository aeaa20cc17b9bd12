"""A small inference server for tests: it serves what it is asked for, and misbehaves on demand.

With `knows_generations` off it is a server that is not Laurel's: it takes any reload. Run as a module it is a
process of its own, to be killed: `python -m tests.worlds.stand_in_server PORT [VERSION GENERATION]`.
"""

import asyncio
import json
import ssl
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Self

TOKEN: Final = "canary-of-the-stand-ins"  # noqa: S105 - theirs
_PIECE: Final = b"x" * 65536


@dataclass
class StandIn:
    """`behave`: well, garbage, flood, drip, hang, redirect, refuse, unloadable; each for all pages."""

    token: str = TOKEN
    version: int | None = None
    generation: int | None = None
    knows_generations: bool = True
    follows: bool = True  # off: it says that it reloaded, and does not
    behave: str = "well"
    redirect_to: str = ""
    heard: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    history: list[tuple[int | None, int | None]] = field(default_factory=list)
    host: str = "127.0.0.1"
    port: int = 0
    tls: ssl.SSLContext | None = None
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def start(self) -> Self:
        """Listen; on the same port as before, if it was started before."""
        self._server = await asyncio.start_server(self._serve, self.host, self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
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
        """Its address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    @property
    def reloads(self) -> list[dict[str, Any]]:
        """The bodies of the reloads that came."""
        return [json.loads(body) for page, _, body in self.heard if page == "POST /reload"]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                page, headers, body = await _request(reader)
                self.heard.append((page, headers, body))
                if self.behave not in {"well", "refuse", "unloadable"}:
                    await self._misbehave(writer)
                    break
                status, content = self._answer(page, headers, body)
                writer.write(_response(status, content))
                await writer.drain()
        self._open.discard(writer)
        writer.close()

    async def _misbehave(self, writer: asyncio.StreamWriter) -> None:
        match self.behave:
            case "garbage":
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n<html>fine</html>")
            case "redirect":
                head = f"HTTP/1.1 307 Elsewhere\r\nlocation: {self.redirect_to}\r\ncontent-length: 0\r\n\r\n"
                writer.write(head.encode())
            case "hang":
                await asyncio.sleep(3600)
            case "flood" | "drip":
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n")
                while True:
                    writer.write(_PIECE if self.behave == "flood" else b" ")
                    await writer.drain()
                    await asyncio.sleep(0 if self.behave == "flood" else 0.05)
        await writer.drain()

    def _answer(self, page: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        if page == "GET /metrics":
            return 200, {}
        if headers.get("authorization") != f"Bearer {self.token}":
            return 401, {"detail": "the bearer token is not the configured one"}
        if page == "GET /info":
            return self._info()
        return self._reload(json.loads(body)) if page == "POST /reload" else (404, {})

    def _info(self) -> tuple[int, dict[str, Any]]:
        if self.version is None:
            return 503, {"model_name": "price", "stale": False, "problem": "no champion is loaded yet"}
        shown: dict[str, Any] = {"model_version": str(self.version), "run_id": "r", "feature_version": 1}
        return 200, shown | (
            {"generation": self.generation, "stale": False} if self.knows_generations else {}
        )

    def _reload(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if self.behave == "refuse":
            return 500, {"reason": "model_digest_mismatch", "detail": "the files differ"}
        if self.behave == "unloadable":
            return 500, {
                "reason": "unloadable_model",
                "detail": "each process that tried to build it ended (SIGSEGV)",
            }
        if self.knows_generations and (asked["generation"] < (self.generation or 0)):
            return 409, {"reason": "outdated", "detail": "an older generation"}
        if self.follows:
            self.version = asked["version"]
            self.generation = asked["generation"] if self.knows_generations else None
            self.history.append((self.generation, self.version))
        answer = {
            "status": "reloaded",
            "model_version": str(self.version),
            "run_id": "r",
            "feature_version": 1,
        }
        return 200, answer | ({"generation": self.generation} if self.knows_generations else {})


async def _request(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {
        name.lower(): text.strip() for name, _, text in (line.partition(":") for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    method, path, _ = head[0].split(" ")
    return f"{method} {path}", headers, body


def _response(status: int, content: dict[str, Any]) -> bytes:
    body = json.dumps(content).encode()
    return f"HTTP/1.1 {status} Said\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


async def _main(port: int, version: int | None, generation: int | None) -> None:
    await StandIn(port=port, version=version, generation=generation).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    asyncio.run(_main(numbers[0], *(numbers[1:] or (None, None))))
