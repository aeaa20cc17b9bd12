"""The files in `examples/`, each run as a person runs it: Laurel's own inbox reads what they published.

Its cost: an interpreter for each file, with the client that it shows, and a JVM. The console's second form
and one wrong call, which waits for MLflow's import, are left to `make soak`.
"""

import ast
import asyncio
import json
import os
import re
import sqlite3
import sys
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.adapters.kafka.topic_provisioning import ensure_topics
from service.adapters.tls.trust import no_trust
from tests.integration.kafka.console_producer import install_console_producer
from tests.kit.told_events import told_announcement
from tests.worlds.inbox import InboxWorld
from tests.worlds.servers import MlflowServer

EXAMPLES = Path(__file__).parents[3] / "examples"
SALES = {"model_version": 3, "reason": "new sales"}
TRIPLE = {"split_version": 4, "feature_version": 2, "model_version": 7}


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it said."""

    code: int | None
    said: str


@pytest.fixture(scope="module")
def console_producer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_console_producer(tmp_path_factory.mktemp("console"))


async def run(*command: str, world: InboxWorld, topic: str | None = None, **more: str) -> Ended:
    """Run an example with nothing in its environment but what its text names."""
    environment = {
        "PATH": os.environ["PATH"],
        "KAFKA_BOOTSTRAP_SERVERS": world.connection.bootstrap_servers,
        "TRAINING_TOPIC": topic or world.topic,
    }
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=EXAMPLES,
        env=environment | more,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 120)
    return Ended(process.returncode, said.decode())


async def twice(*command: str, world: InboxWorld, **more: str) -> None:
    """Run it twice at once, as somebody does who is not sure: both are acknowledged."""
    for ended in await asyncio.gather(*(run(*command, world=world, **more) for _ in range(2))):
        assert ended.code == 0, ended.said
    await world.at_rest()
    assert await world.count_records(world.topic) == 2
    assert await world.dead_letters() == []


def only_stored(world: InboxWorld) -> tuple[str, Mapping[str, Any]]:
    """The identity and the payload of the one request that Laurel has stored."""
    (stored,) = world.store.rows.values()
    return stored.identity, stored.payload


@pytest.mark.parametrize("vendor", ["aiokafka", "confluent-kafka"])
async def test_a_client_librarys_request_is_read_once_however_often_it_is_said(
    world: InboxWorld, vendor: str
) -> None:
    await world.start()
    script = f"{vendor.replace('-', '_')}_request.py"
    await twice(sys.executable, script, "order-7", json.dumps(SALES), world=world)
    assert only_stored(world) == (f"event:/examples/{vendor} order-7", SALES)


@pytest.mark.parametrize(
    ("form", "identity", "payload"),
    [
        ("plain", "request:order-7", SALES | {"request_id": "order-7"}),
        pytest.param("event", "event:/examples/console order-7", SALES, marks=pytest.mark.soak),
    ],
)
async def test_the_console_producers_request_is_read_once_however_often_it_is_said(
    world: InboxWorld, console_producer: Path, form: str, identity: str, payload: dict[str, Any]
) -> None:
    await world.start()
    program = {"KAFKA_CONSOLE_PRODUCER": str(console_producer)}
    await twice("sh", "console_producer.sh", form, "order-7", world=world, **program)
    assert only_stored(world) == (identity, payload)


async def test_an_orchestrators_task_asks_for_exactly_productions_triple_once_for_each_of_its_runs(
    world: InboxWorld, mlflow_server: MlflowServer
) -> None:
    model = await production_model(mlflow_server.tracking_uri, TRIPLE | {"model_type": "ridge"})
    mlflow = {"MLFLOW_TRACKING_URI": mlflow_server.tracking_uri, "MLFLOW_MODEL_NAME": model}
    world.model = model
    await world.start()
    run_id = "scheduled__2026-11-24T06:00:00+00:00"
    await twice(sys.executable, "orchestrator_task.py", run_id, world=world, **mlflow)
    assert only_stored(world) == (f"event:/retrain_policy_dag {run_id}", {"model_name": model, **TRIPLE})


async def test_an_orchestrators_task_says_which_version_production_lacks_and_asks_for_nothing(
    world: InboxWorld, mlflow_server: MlflowServer
) -> None:
    model = await production_model(mlflow_server.tracking_uri, {"split_version": 4})
    mlflow = {"MLFLOW_TRACKING_URI": mlflow_server.tracking_uri, "MLFLOW_MODEL_NAME": model}
    ended = await run(sys.executable, "orchestrator_task.py", "manual-1", world=world, **mlflow)
    assert ended.code != 0
    assert f"{model} version 1 has no param ['feature_version', 'model_version']" in ended.said
    assert await world.count_records(world.topic) == 0


async def test_a_promotion_is_acted_on_once_whatever_comes_twice_and_whichever_group_reads(
    world: InboxWorld, tmp_path: Path
) -> None:
    """Another group reads all of it again, as after a kill between the transaction and the commit."""

    async def announce(generation: int) -> None:
        uri = f"models:/price/{generation}"
        event = told_announcement(
            "promoted", "price", f"g {generation}", generation=generation, model_uri=uri
        )
        await world.put(event.body.encode(), [(name, text.encode()) for name, text in event.headers.items()])

    def consume(group: str, most: int) -> Any:
        command = ("consume_promoted.py", group, str(tmp_path / "deployed.sqlite"), str(most))
        return run(sys.executable, *command, world=world, KAFKA_TOPIC=world.topic)

    await world.put(b"nonsense", [("ce_type", b"laurel.model.promoted.v1"), ("ce_id", b"x")])
    for generation in (1, 2, 1, 2):
        await announce(generation)
    first = await consume(world.group, 2)
    assert (first.code, first.said.count(" is generation ")) == (0, 2), first.said
    assert "no promotion: " in first.said
    assert (await world.offsets())[0] == {0: 3}  # after the last that was handled, and no further
    await announce(3)
    again = await consume(f"{world.group}-2", 1)
    assert re.findall(r"generation (\d)", again.said) == ["3"], again.said
    with closing(sqlite3.connect(tmp_path / "deployed.sqlite")) as database:
        assert database.execute("SELECT * FROM deployed").fetchall() == [("price", 3, "models:/price/3")]


async def test_no_example_ends_well_when_kafka_refuses_its_request(
    world: InboxWorld, console_producer: Path, mlflow_server: MlflowServer
) -> None:
    narrow = f"narrow-{uuid.uuid4().hex[:12]}"
    await ensure_topics(world.connection, {narrow: {"max.message.bytes": "20"}})
    model = await production_model(mlflow_server.tracking_uri, TRIPLE)
    more = {
        "KAFKA_CONSOLE_PRODUCER": str(console_producer),
        "MLFLOW_TRACKING_URI": mlflow_server.tracking_uri,
        "MLFLOW_MODEL_NAME": model,
    }
    commands = (
        (sys.executable, "aiokafka_request.py", "order-7", "{}"),
        (sys.executable, "confluent_kafka_request.py", "order-7", "{}"),
        (sys.executable, "orchestrator_task.py", "manual-1"),
        ("sh", "console_producer.sh", "plain", "order-7"),
    )
    for ended in await asyncio.gather(*(run(*one, world=world, topic=narrow, **more) for one in commands)):
        assert ended.code not in {0, None}, ended
        assert re.search("too.*large", ended.said, re.IGNORECASE | re.DOTALL), ended
    assert await world.count_records(narrow) == 0


@pytest.mark.parametrize(
    "command",
    [
        (sys.executable, "aiokafka_request.py", "order-7"),
        (sys.executable, "confluent_kafka_request.py"),
        pytest.param((sys.executable, "orchestrator_task.py"), marks=pytest.mark.soak),  # MLflow's import
        ("sh", "console_producer.sh", "plain"),
        (sys.executable, "consume_promoted.py", "group"),
    ],
    ids=lambda command: command[1],
)
async def test_an_example_that_is_called_wrongly_says_how(world: InboxWorld, command: Sequence[str]) -> None:
    ended = await run(*command, world=world)
    assert ended.code not in {0, None}
    assert re.fullmatch(r"usage: .*\n", ended.said)


def test_examples_need_nothing_of_laurel() -> None:
    imported = set()
    for path in EXAMPLES.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {name.name for name in node.names}
            if isinstance(node, ast.ImportFrom):
                imported.add(str(node.module))
    assert imported - sys.stdlib_module_names == {"aiokafka", "confluent_kafka", "mlflow"}


def test_their_page_names_every_file_and_every_variable() -> None:
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    files = [path for path in EXAMPLES.iterdir() if path.suffix in {".py", ".sh"}]
    assert {path.name for path in files} == set(re.findall(r"\[`(\w+\.\w+)`\]\(\1\)", page))
    used = {
        name
        for path in files
        for name in re.findall(r"\b(?:KAFKA|MLFLOW|TRAINING)_[A-Z_]+\b", path.read_text())
    }
    assert used == set(re.findall(r"`([A-Z]+_[A-Z_]+)`", page))


async def production_model(tracking_uri: str, params: Mapping[str, object]) -> str:
    """Register a model whose alias `prod` leads to a run with these params; return its name."""
    name = f"price-{uuid.uuid4().hex[:12]}"
    async with httpx.AsyncClient(base_url=f"{tracking_uri}/api/2.0/mlflow/", verify=no_trust()) as client:

        async def post(path: str, **body: object) -> Any:
            answer = await client.post(path, json=body)
            return answer.raise_for_status().json()

        experiment = (await post("experiments/create", name=name))["experiment_id"]
        run_id = (await post("runs/create", experiment_id=experiment, start_time=0))["run"]["info"]["run_id"]
        listed = [{"key": key, "value": str(value)} for key, value in params.items()]
        await post("runs/log-batch", run_id=run_id, params=listed)
        await post("registered-models/create", name=name)
        await post("model-versions/create", name=name, source=f"runs:/{run_id}/model", run_id=run_id)
        await post("registered-models/alias", name=name, alias="prod", version="1")
    return name
