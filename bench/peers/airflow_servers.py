"""airflow on one machine: API server, DAG processor, and scheduler with LocalExecutor, on PostgreSQL."""

import asyncio
import os
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from bench.processes import TRAINING, Answer
from bench.steps.order import STEPS, Request
from service.local.servers.databases import create_database
from service.local.servers.ports import LOOPBACK, free_port
from service.local.servers.process import Child, Command, end, run, spawn

_DAGS: Final = Path(__file__).parent / "dags"
_DAG: Final = "lifecycle"
# The scheduler would show the logs of tasks to every network.
_COMPONENTS: Final = (("api-server",), ("scheduler", "--skip-serve-logs"), ("dag-processor",))
_READY_SECONDS: Final = 180.0
_MIGRATE_SECONDS: Final = 300.0
_RUN_SECONDS: Final = 300.0
_LOOK_SECONDS: Final = 0.5  # each look costs the API server some of the processors that the tasks need
_POLITE_SECONDS: Final = 10.0


@contextmanager
def airflow_servers(folder: Path, airflow: Path, database_url: str) -> Iterator[str]:
    """Start everything in a folder and a database of its own; gives the address of the API."""
    port = free_port()
    environment = _environment(folder, port, create_database(database_url, "airflow"))
    folder.mkdir(parents=True)

    def command(*arguments: str) -> Command:
        log = folder / f"{arguments[0]}.log"
        return Command((str(airflow), *arguments), log, environment=environment, hide=("AIRFLOW",))

    if run(command("db", "migrate"), _MIGRATE_SECONDS):
        raise SystemExit(f"airflow's database cannot be made; see {folder / 'db.log'}")
    started: list[Child] = []
    try:
        started += [spawn(command(*component)) for component in _COMPONENTS]
        yield f"http://{LOOPBACK}:{port}"
    finally:
        for child in reversed(started):
            end(child, 15, _POLITE_SECONDS)


def _environment(folder: Path, port: int, database: str) -> Mapping[str, str]:
    """Addresses and secrets, and nothing is told to anybody; all else is airflow's default."""
    plain = database.partition("://")[2]
    return {
        **TRAINING,
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(_DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__FERNET_KEY": urlsafe_b64encode(os.urandom(32)).decode(),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://{LOOPBACK}:{port}/execution/",
        "AIRFLOW__API__HOST": LOOPBACK,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://{LOOPBACK}:{port}",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{plain}",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"postgresql+asyncpg://{plain}",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }


class AirflowClient:
    """Triggers the DAG over HTTP, as any caller does."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def train(self, request: Request) -> Answer:
        """From the moment of triggering to the moment of reading that the run ended well."""
        began = time.monotonic()
        body = {"logical_date": None, "conf": request.values()}
        run_id = (await self._call("POST", f"dags/{_DAG}/dagRuns", json=body))["dag_run_id"]
        place = f"dags/{_DAG}/dagRuns/{run_id}"
        while (state := (await self._call("GET", place))["state"]) != "success":
            if state == "failed" or time.monotonic() > began + _RUN_SECONDS:
                raise SystemExit(f"airflow's run {run_id} is {state}; see the logs of its tasks")
            await asyncio.sleep(_LOOK_SECONDS)
        seconds = time.monotonic() - began
        last = await self._call("GET", f"{place}/taskInstances/{STEPS[-1].name}/xcomEntries/return_value")
        return Answer(seconds, float(last["value"]))

    async def found(self) -> None:
        """Wait until the DAG can be triggered."""
        until = time.monotonic() + _READY_SECONDS
        while not await self._knows_the_dag():
            if time.monotonic() > until:
                raise SystemExit(f"airflow did not find its DAG within {_READY_SECONDS:.0f} s")
            await asyncio.sleep(_LOOK_SECONDS)

    async def _knows_the_dag(self) -> bool:
        try:
            if "authorization" not in self._http.headers:
                token = (await self._http.get("/auth/token")).raise_for_status().json()["access_token"]
                self._http.headers["authorization"] = f"Bearer {token}"
            return (await self._http.get(f"/api/v2/dags/{_DAG}")).is_success
        except httpx.HTTPError:
            return False

    async def _call(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        answer = await self._http.request(method, f"/api/v2/{path}", **more)
        if not answer.is_success:
            raise SystemExit(f"airflow answers {answer.status_code} to {method} {path}: {answer.text}")
        content: dict[str, Any] = answer.json()
        return content


@asynccontextmanager
async def open_airflow(address: str) -> AsyncIterator[AirflowClient]:
    """Connect, and wait until the DAG is there."""
    async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=60) as http:
        client = AirflowClient(http)
        await client.found()
        yield client
