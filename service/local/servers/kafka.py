"""Apache Kafka 4.3 in KRaft mode, one node that is broker and controller, as one small Java process.

It is ready when it answers one question in Kafka's own protocol: how many brokers it knows of.
"""

import asyncio
import logging
import shutil
import socket
import struct
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from service.local.servers import broker_runtime, ports
from service.local.servers.broker_runtime import HIDDEN, Runtime, Say, write_properties
from service.local.servers.errors import EmbeddedServerError
from service.local.servers.ports import LOOPBACK
from service.local.servers.process import Command
from service.local.servers.server import EmbeddedServer

_METADATA, _VERSION = 3, 1
_NO_CLIENT_ID = -1
_NO_TOPICS = 0
_REQUEST = struct.pack(">hhihi", _METADATA, _VERSION, 0, _NO_CLIENT_ID, _NO_TOPICS)
_SIZE = struct.Struct(">i")
_HEAD = struct.Struct(">iii")  # size of the answer, correlation id, number of brokers
_SECONDS = 5


def known_brokers(port: int) -> int:
    """How many brokers serve clients, as the broker on ``port`` has it; 0 if it does not answer.

    A broker that has just started may not yet know of itself, and then sends its clients nowhere.
    """
    try:
        with socket.create_connection((LOOPBACK, port), _SECONDS) as connection:
            connection.sendall(_SIZE.pack(len(_REQUEST)) + _REQUEST)
            with connection.makefile("rb") as answer:
                head = answer.read(_HEAD.size)
    except OSError:
        return 0
    return int(_HEAD.unpack(head)[2]) if len(head) == _HEAD.size else 0


_HEAP = "96m"
STARTED = "Kafka Server started"
_TRAINING_TOPIC = "training"

BROKER_PROPERTIES: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    "num.partitions": "3",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "500",
    # after a kill the new process must wait until the old one's session has run out
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "750",
    # one node has nobody to tell that it lives: an idle broker takes half the processor time
    "metadata.max.idle.interval.ms": "30000",
    "num.network.threads": "1",
    "num.io.threads": "4",
    # the default of 128 MiB does not fit into the heap
    "log.cleaner.dedupe.buffer.size": "2097152",
    "log.cleaner.threads": "1",
}


@dataclass(frozen=True)
class Listener:
    """A way in: the broker listens on ``port``, clients are sent to ``advertised_port`` (a proxy's)."""

    name: str
    port: int
    advertised_port: int


class EmbeddedKafka(EmbeddedServer):
    """One broker on ``port``; its controller takes the port after it.

    ``properties`` go on top of ours. ``say`` is told about the slow work of the very first start.
    """

    name = "kafka"

    def __init__(
        self,
        folder: Path,
        port: int,
        properties: Mapping[str, str] | None = None,
        listeners: Sequence[Listener] = (),
        say: Say = lambda _: None,
    ) -> None:
        super().__init__(folder, port)
        self._extra = dict(properties or {})
        self._listeners = (Listener("PLAINTEXT", port, port), *listeners)
        self._say = say
        self._runtime: Runtime | None = None

    @property
    def bootstrap_servers(self) -> str:
        """host:port of the broker."""
        return f"{ports.LOOPBACK}:{self.port}"

    def _ports(self) -> tuple[int, ...]:
        return (*(listener.port for listener in self._listeners), self._controller_port)

    @property
    def _controller_port(self) -> int:
        return self.port + 1

    def _prepare(self) -> None:
        self._runtime = self._runtime or broker_runtime.prepare(_train, self._say)
        write_properties(self.folder / "server.properties", self._properties())
        data = self.folder / "data"
        if not data.exists():
            fresh = self.folder / "data.new"
            shutil.copytree(self._runtime.template, fresh, dirs_exist_ok=True)
            fresh.rename(data)

    def _properties(self) -> dict[str, str]:
        controller = f"{ports.LOOPBACK}:{self._controller_port}"
        listen = [f"{one.name}://{ports.LOOPBACK}:{one.port}" for one in self._listeners]
        advertise = [f"{one.name}://{ports.LOOPBACK}:{one.advertised_port}" for one in self._listeners]
        protocols = [f"{name}:PLAINTEXT" for name in ("CONTROLLER", *(one.name for one in self._listeners))]
        return {
            **BROKER_PROPERTIES,
            "log.dirs": str(self.folder / "data"),
            "controller.quorum.voters": f"1@{controller}",
            "listeners": ",".join([*listen, f"CONTROLLER://{controller}"]),
            "advertised.listeners": ",".join(advertise),
            "listener.security.protocol.map": ",".join(protocols),
            **self._extra,
        }

    def _command(self) -> Command:
        if self._runtime is None:
            message = "the broker's runtime has not been prepared"
            raise EmbeddedServerError(message)
        arguments = self._runtime.java("kafka.Kafka", str(self.folder / "server.properties"), heap=_HEAP)
        return Command(arguments, self.log, hide=HIDDEN, keep_open=(self._lock.descriptor,))

    def _answers(self) -> bool:
        return STARTED in self._logged() and known_brokers(self.port) > 0


class _TrainingKafka(EmbeddedKafka):
    """A broker on a given runtime, to record what a broker loads."""

    def __init__(self, runtime: Runtime, folder: Path) -> None:
        super().__init__(folder, ports.free_port(2))
        self._runtime = runtime


def _train(runtime: Runtime, folder: Path) -> None:
    """Run a broker, use it as our clients do, and stop it in order: it then writes its AOT cache."""
    broker = _TrainingKafka(runtime, folder)
    try:
        broker.start()
        broker.wait_ready()
        _exercise(broker.bootstrap_servers)
        broker.stop(grace=120)
    finally:
        broker.kill()


def _exercise(bootstrap: str) -> None:
    logger = logging.getLogger("aiokafka")  # it tells of each retry, of which a new broker needs some
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        # in a thread of its own, since the caller's may run an event loop
        with ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.run, _use(bootstrap)).result()
    except KafkaError as error:
        raise EmbeddedServerError(f"the broker did not serve its first client: {error!r}") from error
    finally:
        logger.setLevel(level)


async def _use(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(_TRAINING_TOPIC, 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True) as producer:
        await producer.send_and_wait(_TRAINING_TOPIC, b"value", b"key", headers=[("name", b"value")])
    consumer = AIOKafkaConsumer(
        _TRAINING_TOPIC, bootstrap_servers=bootstrap, group_id="training", auto_offset_reset="earliest"
    )
    async with consumer:
        await asyncio.wait_for(consumer.getone(), 30)
        await consumer.commit()
