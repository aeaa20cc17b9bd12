"""Stand-ins and listeners as processes of their own, to be killed and stopped."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from service.embedded.ports import free_port
from tests.eventually import eventually

_PROJECT = Path(__file__).parents[3]


@asynccontextmanager
async def process(*words: str, environment: Mapping[str, str] | None = None) -> AsyncIterator[Process]:
    """A Python module as a process; killed with the block."""
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *words,
        cwd=_PROJECT,
        env={**os.environ, **(environment or {})},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield started
    finally:
        with suppress(ProcessLookupError):
            started.send_signal(signal.SIGCONT)
            started.kill()
        await started.wait()


@asynccontextmanager
async def stand_in_process(
    port: int | None = None, *, version: int = 0
) -> AsyncIterator[tuple[Process, int]]:
    """A stand-in that takes connections, and its port; with a version it serves that as generation 1."""
    place = port or free_port()
    words = (str(place), str(version), "1") if version else (str(place),)
    async with process("tests.stand_in_server", *words) as started:
        await eventually(lambda: _takes_connections(place))
        yield started, place


async def _takes_connections(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return False
    writer.close()
    return True
