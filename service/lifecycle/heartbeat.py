"""The heartbeats of one process, which tell a hung or missing process from an idle one."""

import asyncio
import os
import socket
import uuid
from contextlib import AsyncExitStack
from typing import Final

import structlog

from domain.errors import LaurelError
from domain.ports.workers import Heartbeats, Process
from service.adapters.postgres.database import Database
from service.adapters.postgres.heartbeats import PostgresHeartbeats
from service.runtime.provenance import laurel_version
from service.runtime.role import Parts
from service.runtime.told_once import ToldOnce

log = structlog.get_logger()

BEAT_SECONDS: Final = 10.0
_LEAVE_SECONDS: Final = 2.0


def this_process(role: str, name: str, model_name: str) -> Process:
    """Name this process."""
    return Process(
        process_id=str(uuid.uuid4()),
        role=role,
        name=name,
        model_name=model_name,
        host=socket.gethostname(),
        pid=os.getpid(),
        laurel_version=laurel_version(),
    )


class Heartbeat:
    """Says again and again that its process lives; that nobody hears it costs nothing else."""

    def __init__(self, heartbeats: Heartbeats, process: Process) -> None:
        self._heartbeats = heartbeats
        self._process = process
        self._begins = True
        self._failures = ToldOnce("heartbeat_unheard")

    async def run_forever(self) -> None:
        """Say so until cancelled."""
        while True:
            await self.beat()
            await asyncio.sleep(BEAT_SECONDS)

    async def beat(self) -> None:
        """Write one heartbeat; a failure is reported once."""
        with self._failures.told():
            await self._heartbeats.beat(self._process, begins=self._begins)
            self._begins = False

    async def leave(self) -> None:
        """Say that the process ends; if nobody hears it, it counts as silent for a day."""
        try:
            async with asyncio.timeout(_LEAVE_SECONDS):
                await self._heartbeats.leave(self._process)
        except (LaurelError, TimeoutError):
            log.warning("leave_not_taken", message="the run store does not answer")


def add_heartbeat(
    parts: Parts, database: Database, role: str, name: str, model_name: str, stack: AsyncExitStack
) -> Heartbeat:
    """Let the role say that it lives while its parts run, and take its leave at a clean end."""
    heartbeat = Heartbeat(PostgresHeartbeats(database), this_process(role, name, model_name))
    stack.push_async_callback(heartbeat.leave)
    parts.tasks["heartbeat"] = heartbeat.run_forever
    return heartbeat
