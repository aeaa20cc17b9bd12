"""Two small poolers for PostgreSQL, one program with a mode, since no wheel ships a real one.

async with Pooler(url, Mode.TRANSACTION) as pooler:
    ...  # talk to pooler.url

Both do what PgBouncer does by default: a server process is free again at ReadyForQuery `I`, or when its
client leaves (then after DISCARD ALL); startup parameters that they do not know are refused, `options` among
them; and a client has a key of its own, by which it cancels.
"""

import asyncio
import itertools
import os
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

import psycopg
from sqlalchemy.engine import make_url

from tests.harm.postgres_messages import fatal, message_of, read_message, read_opening

_GONE: Final = (ConnectionError, asyncio.IncompleteReadError)
_ENCRYPTION: Final = (80877103, 80877104)  # SSLRequest, GSSENCRequest
_CANCEL: Final = 80877102
_KNOWN: Final = frozenset(
    {"user", "database", "application_name", "client_encoding", "datestyle", "timezone"}
)
_TOLD: Final = ("server_version", "client_encoding", "DateStyle", "TimeZone", "standard_conforming_strings")
_ASKS_FOR_READY: Final = (b"Q", b"S", b"F")


class Mode(StrEnum):
    """What a client keeps its server process for."""

    SESSION = "session"
    TRANSACTION = "transaction"
    STATEMENT = "statement"


@dataclass(eq=False)
class _Server:
    """A server process: libpq logs in, we speak on its socket. `awaited` is how many `Z` are to come."""

    login: psycopg.AsyncConnection[Any]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    awaited: int = 0
    status: bytes = b"I"

    @property
    def clean(self) -> bool:
        """True when it is between two transactions."""
        return self.awaited == 0 and self.status == b"I"

    async def discard_all(self) -> None:
        """Forget what belonged to a session."""
        self.writer.write(message_of(b"Q", b"DISCARD ALL\0"))
        while (await read_message(self.reader))[:1] != b"Z":
            pass

    async def close(self) -> None:
        """End it."""
        self.writer.close()
        await self.login.close()


@dataclass(eq=False)
class _Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: _Server | None = None
    pump: asyncio.Task[None] | None = None


class Pooler:
    """Relays to the server of `url` over at most `size` server processes, `warm` of them open from the start.

    `in_turn` lends the one that was free for longest; `passes_keys` tells a client the key of a server
    process; `answered` may answer a message in the server's place, which then never sees it.
    """

    def __init__(
        self,
        url: str,
        mode: Mode,
        *,
        size: int = 20,
        warm: int = 1,
        in_turn: bool = False,
        passes_keys: bool = False,
        answered: Callable[[bytes], bytes | None] = lambda _: None,
    ) -> None:
        self.mode = mode
        self.port = 0
        self._target = make_url(url).set(drivername="postgresql")
        self._warm = warm
        self._in_turn = in_turn
        self._passes_keys = passes_keys
        self._answered = answered
        self._room = asyncio.Semaphore(size)
        self._free: deque[_Server] = deque()
        self._numbers = itertools.count(1)
        self._clients: dict[int, _Client] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._told = b""

    async def __aenter__(self) -> Self:
        self._free.extend([await self._open() for _ in range(self._warm)])
        told = [f"{name}\0{self._free[0].login.info.parameter_status(name)}\0" for name in _TOLD]
        self._told = b"".join(message_of(b"S", text.encode()) for text in told)
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1")
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        await self.cut()
        for server in self._free:
            await server.close()

    async def cut(self) -> None:
        """End every client's connection."""
        for client in self._clients.values():
            client.writer.transport.abort()
        await asyncio.gather(*self._serving)

    @property
    def url(self) -> str:
        """The database's URL through it."""
        through = self._target.set(drivername="postgresql+psycopg", host="127.0.0.1", port=self.port)
        return through.render_as_string(hide_password=False)

    async def _open(self) -> _Server:
        url = self._target.render_as_string(hide_password=False)
        login = await psycopg.AsyncConnection.connect(url, sslmode="disable", gssencmode="disable")
        ours = socket.socket(fileno=os.dup(login.fileno()))
        return _Server(login, *await asyncio.open_connection(sock=ours))

    async def _lend(self) -> _Server:
        await self._room.acquire()
        try:
            if self._free:
                return self._free.popleft() if self._in_turn else self._free.pop()
            return await self._open()
        except BaseException:
            self._room.release()
            raise

    def _take_back(self, server: _Server) -> None:
        self._free.append(server)
        self._room.release()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client, number = _Client(reader, writer), next(self._numbers)
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self._clients[number] = client
        try:
            if await self._greeted(client, number):
                await self._carry(client)
        except _GONE:
            pass
        finally:
            del self._clients[number]
            await self._leave(client)
            writer.close()
            self._serving.discard(task)

    async def _greeted(self, client: _Client, number: int) -> bool:
        """Let a client in, whoever it is; False for one that was refused, or that only came to cancel."""
        code, body = await read_opening(client.reader)
        while code in _ENCRYPTION:
            client.writer.write(b"N")
            code, body = await read_opening(client.reader)
        if code == _CANCEL:
            await self._cancel(int.from_bytes(body[:4], "big"))
            return False
        names = [name.decode() for name in body.split(b"\0")[:-2:2]]
        for name in names:
            if name.lower() not in _KNOWN:
                client.writer.write(fatal(f"unsupported startup parameter: {name}"))
                return False
        client.writer.write(self._welcome(number))
        return True

    def _welcome(self, number: int) -> bytes:
        pid = self._free[-1].login.info.backend_pid if self._passes_keys else number
        key = message_of(b"K", pid.to_bytes(4, "big") + bytes(4))
        return message_of(b"R", bytes(4)) + self._told + key + message_of(b"Z", b"I")

    async def _cancel(self, number: int) -> None:
        client = self._clients.get(number)
        if client is not None and client.server is not None:
            await client.server.login.cancel_safe()

    async def _carry(self, client: _Client) -> None:
        """Carry what the client says to a server process."""
        while (message := await read_message(client.reader))[:1] != b"X":
            if (answer := self._answered(message)) is not None:
                client.writer.write(answer)
                continue
            if client.server is None:
                client.server = await self._lend()
                client.pump = asyncio.create_task(self._answers(client, client.server))
            client.server.awaited += message[:1] in _ASKS_FOR_READY
            client.server.writer.write(message)

    async def _answers(self, client: _Client, server: _Server) -> None:
        """Carry what the server process says to its client, for as long as it has this one."""
        try:
            while client.server is server:
                message = await read_message(server.reader)
                if message[:1] == b"Z":
                    server.awaited, server.status = server.awaited - 1, message[5:6]
                    if self.mode is Mode.STATEMENT and server.status != b"I":
                        client.writer.write(fatal("transaction blocks not allowed in statement pooling mode"))
                        raise ConnectionAbortedError
                    if self.mode is not Mode.SESSION and server.clean:
                        client.server = None
                        self._take_back(server)
                client.writer.write(message)
        except _GONE:
            client.writer.close()

    async def _leave(self, client: _Client) -> None:
        if client.pump is not None:
            client.pump.cancel()
            await asyncio.gather(client.pump, return_exceptions=True)
        if client.server is None:
            return
        if client.server.clean:
            await client.server.discard_all()
            self._take_back(client.server)
        else:  # in the midst of something: nobody else gets it
            await client.server.close()
            self._room.release()
