"""A TCP proxy on 127.0.0.1 that does harm on purpose, between a client and a real server.

async with FaultProxy(server_port, Http()) as proxy:
    fault = proxy.add(lost(http("POST", "/runs/create"), times=3))
    ...  # talk to 127.0.0.1:proxy.port
    assert fault.hits == 3
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Self

from tests.harm.faults import (
    Fault,
    Mode,
    cut,
    cut_request,
    drip,
    drip_head,
    edited,
    err,
    hole,
    late,
    lost,
    refuse,
    slow,
)
from tests.harm.wire_formats import WireFormat

__all__ = [
    "Fault",
    "FaultProxy",
    "Mode",
    "cut",
    "cut_request",
    "drip",
    "drip_head",
    "edited",
    "err",
    "hole",
    "late",
    "lost",
    "refuse",
    "slow",
]

_BUFFER: Final = 1 << 22
_BEGINNING: Final = 16  # bytes of a request that tell what its answer looks like
_GONE: Final = (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)


@dataclass(eq=False)
class _Link:
    """One client's connection and its twin to the server; `due` has a fault, or None, per answer to come."""

    client_reader: asyncio.StreamReader
    client: asyncio.StreamWriter
    server_reader: asyncio.StreamReader
    server: asyncio.StreamWriter
    due: deque[Fault | None] = field(default_factory=deque)
    asked: deque[bytes] = field(default_factory=lambda: deque(maxlen=1000))
    mute: bool = False


class FaultProxy:
    """Relays to `target_port` in one wire format; the first fault added that matches strikes.

    With `tls` it is also a TLS terminator: clients speak TLS to it, and it speaks plainly to the server.
    """

    def __init__(
        self,
        target_port: int,
        wire: WireFormat,
        *,
        target_host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.port = port
        self.requests = 0
        self._target = (target_host, target_port)
        self._wire = wire
        self._tls = tls
        self._faults: list[Fault] = []
        self._listener: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.open_door()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close_door()

    @property
    def url(self) -> str:
        """Where an HTTP client finds it."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def add(self, fault: Fault) -> Fault:
        """Arm a fault; its `hits` tell whether it has fired."""
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Disarm all faults; connections that were harmed stay as they are."""
        self._faults.clear()

    async def open_door(self) -> None:
        """Listen (again), on the same port as before."""
        self._listener = await asyncio.start_server(
            self._accept, "127.0.0.1", self.port, limit=_BUFFER, ssl=self._tls
        )
        self.port = self._listener.sockets[0].getsockname()[1]

    async def close_door(self) -> None:
        """Cut every connection and stop listening: the next one is refused by the kernel."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self.cut_connections()

    async def cut_connections(self) -> None:
        """End every connection as it stands."""
        await asyncio.sleep(0)  # connections that have just been made become links
        links = list(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._links.add(task)
            task.add_done_callback(self._links.discard)
        if fault := next((f for f in self._faults if f.mode is Mode.REFUSE and not f.spent), None):
            fault.hits += 1
            _reset(writer)
        else:
            with contextlib.suppress(asyncio.CancelledError, *_GONE):
                await self._relay(reader, writer)
        writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        twin_reader, twin = await asyncio.open_connection(*self._target, limit=_BUFFER)
        link = _Link(reader, writer, twin_reader, twin)
        pumps = [asyncio.ensure_future(self._up(link)), asyncio.ensure_future(self._down(link))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            if link.mute:  # a hole stays open until the client gives up
                await pumps[0]
        finally:
            twin.close()  # first of all: being cancelled while the pumps end must not leave it open
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _up(self, link: _Link) -> None:
        """Carry requests to the server."""
        async for request in self._wire.requests(link.client_reader):
            self.requests += 1
            fault = None if link.mute else self._strike(request)
            if link.mute or not await self._harm(link, request, fault):
                continue
            if self._wire.answers_each or fault is not None:
                link.due.append(fault)
                link.asked.append(request[:_BEGINNING])
            await _send(link.server, request)

    def _strike(self, request: bytes) -> Fault | None:
        for fault in self._armed():
            if fault.match(request):
                fault.hits += 1
                return fault
        return None

    def _armed(self) -> Iterator[Fault]:
        return (fault for fault in self._faults if fault.mode is not Mode.REFUSE and not fault.spent)

    async def _harm(self, link: _Link, request: bytes, fault: Fault | None) -> bool:
        """Do what is done before the server is asked; False when the request goes no further."""
        match fault.mode if fault else None:
            case Mode.HOLE:
                link.mute = True
                return False
            case Mode.ERR if fault:
                await _send(link.client, fault.answer)
                return False
            case Mode.CUT_REQUEST:
                await _send(link.server, request[: len(request) // 2])
                raise ConnectionAbortedError
            case Mode.SLOW if fault:
                await asyncio.sleep(fault.seconds)
        return True

    async def _down(self, link: _Link) -> None:
        """Carry answers to the client."""
        async for answer in self._wire.answers(link.server_reader, link.asked):
            fault = link.due.popleft() if link.due else None
            if link.mute:
                continue
            if fault and fault.mode is Mode.LOST:
                return
            if fault and fault.mode is Mode.CUT:
                await _send(link.client, answer[: len(answer) // 2])
                return
            await self._deliver(link.client, answer, fault)

    async def _deliver(self, client: asyncio.StreamWriter, answer: bytes, fault: Fault | None) -> None:
        match fault.mode if fault else None:
            case Mode.LATE if fault:
                await asyncio.sleep(fault.seconds)
            case Mode.EDIT if fault and fault.change:
                answer = fault.change(answer)
            case Mode.DRIP if fault:
                head, end, answer = answer.partition(b"\r\n\r\n")
                await _send(client, head + end)
                await _drip(client, answer, fault.seconds)
            case Mode.DRIP_HEAD if fault:
                await _drip(client, answer, fault.seconds)
        if fault is None or fault.mode not in {Mode.DRIP, Mode.DRIP_HEAD}:
            await _send(client, answer)


async def _drip(writer: asyncio.StreamWriter, data: bytes, seconds: float) -> None:
    for byte in data:
        await asyncio.sleep(seconds)
        await _send(writer, bytes([byte]))


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Have it closed with RST instead of FIN."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
