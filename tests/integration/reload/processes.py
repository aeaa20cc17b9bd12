"""Stand-ins and listeners as processes of their own, to be killed and stopped."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from service.local.servers.ports import free_port
from tests.kit.eventually import eventually
from tests.kit.warm_starts import WarmProcess
from tests.worlds.warm import STARTS


@asynccontextmanager
async def process(
    module: str, *words: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[WarmProcess]:
    """A Python module as a process; killed with the block."""
    started = STARTS.nursery().module(module, words, environment or {})
    try:
        yield started
    finally:
        started.send_signal(signal.SIGCONT)
        started.kill()
        await started.wait()


@asynccontextmanager
async def stand_in_process(
    port: int | None = None, *, version: int = 0
) -> AsyncIterator[tuple[WarmProcess, int]]:
    """A stand-in that takes connections, and its port; with a version it serves that as generation 1."""
    place = port or free_port()
    words = (str(place), str(version), "1") if version else (str(place),)
    async with process("tests.worlds.stand_in_server", *words) as started:
        await eventually(lambda: _takes_connections(place))
        yield started, place


async def _takes_connections(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return False
    writer.close()
    return True
