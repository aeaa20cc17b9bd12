"""Who takes part, and how each of them is asked to train."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import polars as pl

from bench.flights import Stage, stage_of
from bench.peers.airflow_servers import airflow_servers, open_airflow
from bench.peers.contest import BARE, LAUREL, Rival
from bench.processes import Answer, NotingWorker, Script
from bench.steps.order import Place, Request
from bench.wire import Wire, open_wire
from service.local.servers.stack import Addresses

_ENVIRONMENTS: Final = Path(__file__).parents[2] / ".venv-peers"
_ROWS: Final = 20_000
PEERS: Final = ("kedro", "dagster", "airflow")


def require_installed(peers: Sequence[str]) -> None:
    """Each peer's environment is made by make."""
    if absent := [peer for peer in peers if not _program(peer, "python").exists()]:
        raise SystemExit(f"{', '.join(absent)}: not in {_ENVIRONMENTS}; `make bench-peers` installs them")


def _program(peer: str, name: str) -> Path:
    return _ENVIRONMENTS / peer / "bin" / name


class Field:
    """Sets up the stages, and starts whoever stays warm between two trainings."""

    def __init__(
        self, folder: Path, addresses: Addresses, flights: pl.DataFrame, say: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._addresses = addresses
        self._flights = flights
        self._say = say

    @asynccontextmanager
    async def rivals(self, peers: Sequence[str]) -> AsyncIterator[list[Rival]]:
        """All of them, ready to train; ended with the block."""
        ways = {"kedro": self._kedro, "dagster": self._dagster, "airflow": self._airflow}
        async with AsyncExitStack() as stack:
            found = [*self._bare(stack), await self._laurel(stack)]
            for peer in peers:
                found += await ways[peer](stack)
            yield found

    def _stage(self, name: str) -> Stage:
        stage = stage_of(self._folder / name, self._flights, _ROWS)
        stage.set_up()
        return stage

    def _place(self, name: str, stage: Stage) -> Place:
        return Place(stage.folder, self._addresses.tracking_uri or "", name)

    async def _laurel(self, stack: AsyncExitStack) -> Rival:
        self._say("starting a worker")
        stage = self._stage("laurel")
        worker = NotingWorker(self._folder / "worker", stage, self._addresses, "laurel")
        await asyncio.to_thread(worker.up)
        stack.callback(worker.stop)
        wire = await stack.enter_async_context(open_wire(self._addresses.bootstrap_servers or ""))
        return Rival(LAUREL, stage, lambda version: _asked(wire, version), rest=worker.at_rest)

    def _bare(self, stack: AsyncExitStack) -> list[Rival]:
        return [
            self._warm(stack, BARE, self._script("bare")),
            self._cold("bare script, a new process each time", self._script("bare_cold")),
        ]

    async def _kedro(self, stack: AsyncExitStack) -> list[Rival]:
        def script(name: str) -> Script:
            return self._script(name, "bench.peers.in_kedro", "kedro")

        return [
            self._warm(stack, "kedro, a warm process", script("kedro")),
            self._cold("kedro, a new process each time", script("kedro_cold")),
        ]

    async def _dagster(self, stack: AsyncExitStack) -> list[Rival]:
        def script(name: str, **variables: str) -> Script:
            home = self._folder / f"{name}-home"
            home.mkdir()
            (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
            environment = {"DAGSTER_HOME": str(home), **variables}
            return self._script(name, "bench.peers.in_dagster", "dagster", environment)

        return [
            self._warm(stack, "dagster, a warm process", script("dagster", IN_PROCESS="1")),
            self._cold("dagster, a process for each step", script("dagster_default")),
        ]

    async def _airflow(self, stack: AsyncExitStack) -> list[Rival]:
        self._say("starting airflow")
        url = self._addresses.database_url or ""
        servers = airflow_servers(self._folder / "airflow-home", _program("airflow", "airflow"), url)
        address = await asyncio.to_thread(stack.enter_context, servers)
        client = await stack.enter_async_context(open_airflow(address))
        stage = self._stage("airflow")
        place = self._place("airflow", stage)

        async def train(version: int) -> Answer:
            return await client.train(Request(place, version))

        return [Rival("airflow, a process for each step", stage, train, place)]

    def _script(
        self,
        name: str,
        module: str = "bench.bare",
        peer: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Script:
        stage, uri = self._stage(name), self._addresses.tracking_uri or ""
        if peer is None:
            return Script(stage, uri, name)
        python = str(_program(peer, "python"))
        return Script(stage, uri, name, module=module, python=python, environment=environment)

    def _warm(self, stack: AsyncExitStack, title: str, script: Script) -> Rival:
        stack.enter_context(script)
        return self._rival(title, script, script.train)

    def _cold(self, title: str, script: Script) -> Rival:
        return self._rival(title, script, script.train_cold)

    def _rival(self, title: str, script: Script, train: Callable[[int], Answer]) -> Rival:
        async def in_thread(version: int) -> Answer:
            return await asyncio.to_thread(train, version)

        return Rival(title, script.stage, in_thread, self._place(title, script.stage))


async def _asked(wire: Wire, version: int) -> Answer:
    heard = await wire.ask("laurel", version)
    if heard.topic != "model.promoted":
        raise SystemExit(f"a candidate was not promoted: {heard.topic} {heard.data}")
    return Answer(heard.seconds, float(heard.data["candidate"]["metrics"]["rmsle"]))
