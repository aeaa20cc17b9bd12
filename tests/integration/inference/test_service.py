"""`laurel inference` as a process: start, predictions, reload, end; on a real MLflow.

Its cost: inference servers as processes, some of which start cold.
"""

import json
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.adapters.tls.trust import no_trust
from service.local.servers import ports
from service.local.servers.errors import EmbeddedServerError
from service.local.servers.role import EmbeddedRole, inference_replica
from tests.kit.eventually import eventually
from tests.worlds.registered_models import ROWS, ModelShelf

TOKEN = "open-sesame-of-this-test"  # noqa: S105 - a test's own
BEARER = {"Authorization": f"Bearer {TOKEN}"}
# What a server must not need: its image has none of them.
FOREIGN = (
    "aiokafka",
    "alembic",
    "dvc",
    "faststream",
    "matplotlib",
    "mlflow",
    "polars",
    "psycopg",
    "sqlalchemy",
)


@dataclass(frozen=True)
class Server:
    """One process and a client that speaks to it."""

    role: EmbeddedRole
    client: httpx.AsyncClient

    async def status(self, page: str) -> int:
        return (await self.client.get(page)).status_code

    def log(self) -> list[dict[str, Any]]:
        lines = self.role.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


@pytest.fixture
async def starts(shelf: ModelShelf, tmp_path: Path) -> AsyncIterator[Any]:
    """How a test starts a server: with these variables besides the usual, and in a folder of its own."""
    async with AsyncExitStack() as stack:

        async def start(folder: str = "", **more: str) -> Server:
            port = ports.free_port()
            environment = {
                "MLFLOW_TRACKING_URI": shelf.access.url,
                "MLFLOW_MODEL_NAME": shelf.model_name,
                "INFERENCE_INTERNAL_TOKEN": TOKEN,
                **more,
            }
            role = inference_replica(tmp_path / (folder or f"replica-{port}"), port, environment)
            stack.callback(role.kill)
            role.start()
            client = httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}",
                headers=BEARER,
                trust_env=False,
                timeout=30,
                verify=no_trust(),
            )
            return Server(role, await stack.enter_async_context(client))

        yield start


async def answering(server: Server) -> Server:
    """Wait until its port is open."""

    async def answers() -> bool:
        try:
            return await server.status("/health/live") == 200
        except httpx.TransportError:
            return False

    await eventually(answers)
    return server


async def test_a_server_waits_for_the_first_champion_and_follows_each_promotion(
    shelf: ModelShelf, packages: list[dict[str, bytes]], starts: Any
) -> None:
    server = await answering(await starts())
    before = [await server.status(page) for page in ("/health/ready", "/health", "/info", "/schema")]
    told = await eventually(lambda: _told_why(server))
    refused = await server.client.post("/predict", json=ROWS[0])
    first = await shelf.promote(packages[0], 1)
    await eventually(lambda: _is(server, "/health/ready", 200))
    one = await server.client.post("/predict", json=ROWS)
    second = await shelf.promote(packages[1], 2)
    guard = {"generation": 2, "version": second.version}
    reloaded = await server.client.post("/reload", json=guard)
    outdated = await server.client.post("/reload", json={"generation": 1, "version": first.version})
    two = await server.client.post("/predict", json=ROWS)

    assert told is not None
    assert "no champion" in told.json()["detail"]
    assert (before, refused.status_code) == ([503, 503, 503, 503], 503)
    assert {each["model_version"] for each in one.json()} == {str(first.version)}
    assert reloaded.json() == {
        "status": "reloaded",
        "model_version": str(second.version),
        "run_id": second.mlflow_run_id,
        "feature_version": 1,
        "generation": 2,
        "changed": True,
    }
    assert (outdated.status_code, outdated.json()["reason"]) == (409, "outdated")
    assert {each["model_version"] for each in two.json()} == {str(second.version)}
    assert (one.headers["laurel-generation"], two.headers["laurel-generation"]) == ("1", "2")
    assert one.json() != two.json()
    assert "server" not in two.headers


async def _told_why(server: Server) -> httpx.Response | None:
    """Once the registry has been asked."""
    answer = await server.client.get("/health")
    return answer if "no champion is" not in answer.text else None


async def _is(server: Server, page: str, status: int) -> bool:
    return await server.status(page) == status


async def test_a_server_that_starts_while_mlflow_is_away_serves_what_it_verified_last(
    shelf: ModelShelf, packages: list[dict[str, bytes]], starts: Any
) -> None:
    version = await shelf.promote(packages[0], 1)
    before = await starts(folder="kept")
    await eventually_ready(before)
    said = (await before.client.post("/predict", json=ROWS)).json()
    before.role.stop()

    nowhere = f"http://127.0.0.1:{ports.free_port()}"
    after = await starts(folder="kept", MLFLOW_TRACKING_URI=nowhere)
    await eventually_ready(after)
    info = (await after.client.get("/info")).json()
    refused = await after.client.post("/reload")
    assert (info["model_version"], info["generation"], info["stale"]) == (str(version.version), 1, True)
    assert "does not answer" in info["problem"] or "mlflow" in info["problem"].lower()
    assert (refused.status_code, refused.json()["reason"]) == (500, "mlflow_unavailable")
    assert (await after.client.post("/predict", json=ROWS)).json() == said
    figures = (await after.client.get("/metrics")).text
    assert re.search(r"laurel_model_stale\{.*\} 1\.0", figures)
    assert re.search(r'laurel_reloads_total\{.*result="unavailable".*\} [1-9]', figures)


async def test_its_predictions_are_those_that_were_recorded_in_training(
    shelf: ModelShelf, packages: list[dict[str, bytes]], starts: Any
) -> None:
    await shelf.promote(packages[0], 1)
    server = await starts()
    await eventually_ready(server)
    golden = json.loads(packages[0]["laurel/golden_rows.json"])
    said = [(await server.client.post("/predict", json=row)).json()["prediction"] for row in golden["rows"]]
    assert said == pytest.approx(golden["predictions"], rel=1e-9)


async def eventually_ready(server: Server) -> None:
    await answering(server)
    await eventually(lambda: _is(server, "/health/ready", 200))


@pytest.mark.usefixtures("cold_starts")
async def test_a_running_server_has_nothing_of_kafka_databases_and_training_in_it(
    shelf: ModelShelf, packages: list[dict[str, bytes]], starts: Any
) -> None:
    """Python itself lists what the process imports, from its first line to a prediction after a reload."""
    await shelf.promote(packages[0], 1)
    server = await starts(PYTHONPROFILEIMPORTTIME="1")
    await eventually_ready(server)
    await shelf.promote(packages[1], 2)
    assert (await server.client.post("/reload")).status_code == 200
    assert (await server.client.post("/predict", json=ROWS[0])).status_code == 200
    imported = set(
        re.findall(r"^import time:[^|]*\|[^|]*\| *(\S+)$", server.role.log.read_text(), re.MULTILINE)
    )
    assert {"sklearn", "fastapi", "service.serving.app"} <= imported
    assert not imported & set(FOREIGN)


async def test_a_request_in_hand_is_answered_though_the_server_is_told_to_end(
    shelf: ModelShelf, packages: list[dict[str, bytes]], starts: Any
) -> None:
    """SIGTERM comes when the server has read the head and waits for the body."""
    await shelf.promote(packages[0], 1)
    server = await starts()
    await eventually_ready(server)
    pid = server.role.pid
    assert pid is not None

    async def body() -> AsyncIterator[bytes]:
        yield json.dumps(ROWS[0])[:10].encode()
        await eventually(lambda: _in_flight(server))
        _tell_to_end(pid)
        await eventually(lambda: _refuses(server))
        yield json.dumps(ROWS[0])[10:].encode()

    answer = await server.client.post(
        "/predict", content=body(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 200
    await eventually(server.role.has_ended)
    with pytest.raises(EmbeddedServerError, match="exit code 0"):
        server.role.wait_ready(0)
    assert server.log()[-1]["event"] == "ended"


def _tell_to_end(pid: int) -> None:

    os.kill(pid, signal.SIGTERM)


async def _in_flight(server: Server) -> bool:
    """The one that is asked for now is one of two."""
    figures = (await server.client.get("/metrics")).text
    return re.search(r"^laurel_requests_in_flight\{.*\} 2\.0$", figures, re.MULTILINE) is not None


async def _refuses(server: Server) -> bool:
    async with httpx.AsyncClient(trust_env=False, verify=no_trust()) as another:
        try:
            await another.get(f"http://127.0.0.1:{server.role.port}/health/live")
        except httpx.TransportError as error:
            return isinstance(error, httpx.ConnectError)
    return False


async def test_a_port_that_is_taken_ends_the_start_with_a_sentence(starts: Any, tmp_path: Path) -> None:
    first = await answering(await starts())
    port = first.role.port
    place = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:1", "MLFLOW_MODEL_NAME": "any"}
    here = {"INFERENCE__PORT": str(port), "INFERENCE__CACHE_FOLDER": str(tmp_path / "second")}
    second = EmbeddedRole("inference", tmp_path / "second", ports.free_port(), place | here)
    second.start()
    try:
        await eventually(second.has_ended)
        said = rf"exit code 2; .*cannot listen on 127\.0\.0\.1:{port}"
        with pytest.raises(EmbeddedServerError, match=said):
            second.wait_ready(0)
    finally:
        second.kill()


async def test_settings_that_are_wrong_are_all_named_and_no_value_is_printed(starts: Any) -> None:
    server = await starts(MLFLOW_TRACKING_URI="ftp://secret-place", INFERENCE__UNKNOWN_FIELDS="guess")
    await eventually(server.role.has_ended)
    said = server.role.log.read_text()
    with pytest.raises(EmbeddedServerError, match="exit code 2"):
        server.role.wait_ready(0)
    assert "MLFLOW_TRACKING_URI: must be an http:// or https:// address" in said
    assert "INFERENCE__UNKNOWN_FIELDS:" in said
    assert "secret-place" not in said


async def test_without_a_token_the_start_says_that_the_reload_is_closed(starts: Any) -> None:
    server = await answering(await starts(INFERENCE_INTERNAL_TOKEN=""))
    assert (await server.client.post("/reload")).status_code == 403
    events = [line["event"] for line in server.log()]
    assert "reload_closed" in events
    assert "reload_refused" in events
    assert TOKEN not in server.role.log.read_text()
