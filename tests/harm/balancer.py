"""A balancer that looks at its servers every second and never tries a request twice: Caddy, a wheel's."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from bench.load.connection import Connection
from service.local.servers.ports import free_port
from tests.kit.eventually import eventually

# Of its own checks; a server that leaves is known to have left after so many seconds at the latest.
CHECK_SECONDS, CHECKS = 1, 2

_CADDYFILE = """
{{
    admin off
    auto_https off
    persist_config off
}}
http://127.0.0.1:{port} {{
    reverse_proxy {servers} {{
        lb_try_duration 0
        health_uri /health/ready
        health_interval {every}s
        health_fails {fails}
    }}
}}
"""


@asynccontextmanager
async def balancer(folder: Path, ports: Sequence[int]) -> AsyncIterator[int]:
    """Balance between these ports of 127.0.0.1; give the balancer's own."""
    port = free_port()
    program, file = Path(sys.executable).with_name("caddy"), _written(folder, port, ports)
    process = await asyncio.create_subprocess_exec(
        program, "run", "--config", file, "--adapter", "caddyfile", env={"HOME": str(folder)}, stderr=DEVNULL
    )
    try:
        await eventually(lambda: _is_open(port))
        yield port
    finally:
        process.terminate()
        await process.wait()


def _written(folder: Path, port: int, ports: Sequence[int]) -> Path:
    folder.mkdir()
    servers = " ".join(f"127.0.0.1:{each}" for each in ports)
    file = folder / "Caddyfile"
    file.write_text(_CADDYFILE.format(port=port, servers=servers, every=CHECK_SECONDS, fails=CHECKS))
    return file


async def _is_open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def failures(port: int, request: bytes, *, rate: int, over: Callable[[], bool]) -> tuple[int, int]:
    """Send so many requests a second, whatever comes back, until `over`; how many failed, and of how many."""
    free: list[Connection] = []
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:

        async def is_answered() -> bool:
            connection = free.pop() if free else await stack.enter_async_context(Connection(port))
            answer = await connection.ask(request)
            free.append(connection)
            return answer.status == 200

        began, sent = loop.time(), []
        while not over():
            sent.append(group.create_task(is_answered()))
            await asyncio.sleep(began + len(sent) / rate - loop.time())
    return sum(not task.result() for task in sent), len(sent)
