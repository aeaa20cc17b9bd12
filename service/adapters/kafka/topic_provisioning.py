"""Topics: made with what they need, checked before the start, and how large a record they take."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from ssl import SSLError
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError, for_code

from domain.errors import NeverRetry, Stop
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.errors import DENIED, kafka_errors
from service.adapters.tls.trust import cause_of

_SECONDS: Final = 20.0
_MADE_SECONDS: Final = 15.0
_SIZE: Final = "max.message.bytes"
_CODEC: Final = "compression.type"
_CLEANUP: Final = "cleanup.policy"
_RETENTION: Final = ("retention.ms", "retention.bytes")


async def ensure_topics(
    connection: KafkaConnection,
    topics: Mapping[str, Mapping[str, str]],
    *,
    partitions: int = 3,
    replication: int = 1,
) -> list[str]:
    """Make the topics that are missing, with their configuration; return their names once they can be used.

    Existing ones stay as they are. Raises NeverRetry `topic_refused` naming the topic, TryLater, Stop.
    """
    async with admin_client(connection, "making topics") as admin:
        known = set(await admin.list_topics())
        wanted = [
            NewTopic(name, partitions, replication, topic_configs=dict(configs))
            for name, configs in topics.items()
            if name not in known
        ]
        made = await _create(admin, wanted) if wanted else []
        await _until_led(admin, made)
    return made


async def missing_topics(connection: KafkaConnection, names: Iterable[str]) -> list[str]:
    """Say which of these topics do not exist (or may not be seen). Raises TryLater, Stop."""
    async with admin_client(connection, "asking for the topics") as admin:
        known = set(await admin.list_topics())
    return [name for name in names if name not in known]


async def partitions_of(connection: KafkaConnection, topics: Iterable[str]) -> list[TopicPartition]:
    """The partitions of topics that exist. Raises TryLater, Stop."""
    async with admin_client(connection, "asking for partitions") as admin:
        known = await admin.describe_topics(list(topics))
    return sorted(
        TopicPartition(one["topic"], found["partition"]) for one in known for found in one["partitions"]
    )


async def smallest_event_limit(connection: KafkaConnection, names: Iterable[str]) -> int:
    """The smallest `max.message.bytes` of these topics: no event may be larger. Raises TryLater, Stop."""
    return min(int(said[_SIZE]) for said in (await _configured(connection, names, _SIZE)).values())


async def codecs_of(connection: KafkaConnection, names: Iterable[str]) -> Mapping[str, str]:
    """Each topic's own `compression.type`; `producer` leaves it to the sender. Raises TryLater, Stop."""
    return {name: said[_CODEC] for name, said in (await _configured(connection, names, _CODEC)).items()}


async def deletions_of(connection: KafkaConnection, name: str) -> Mapping[str, str]:
    """What lets a topic's records go: those of `retention.ms` and `retention.bytes` that are a limit.

    Empty where records stay, or where compaction keeps the newest of each key. Raises TryLater, Stop.
    """
    said = (await _configured(connection, [name], _CLEANUP, *_RETENTION)).get(name, {})
    deletes = "delete" in said.get(_CLEANUP, "")
    return {key: said[key] for key in _RETENTION if deletes and said[key] != "-1"}


async def _configured(
    connection: KafkaConnection, names: Iterable[str], *keys: str
) -> dict[str, dict[str, str]]:
    """What each of these topics says for these keys of its configuration."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(keys)) for name in names]
    async with admin_client(connection, f"asking for {', '.join(keys)}") as admin:
        answers = await admin.describe_configs(resources)
    found: dict[str, dict[str, str]] = {}
    for answer in answers:
        for error, _, _, name, entries in answer.resources:
            if error:
                raise NeverRetry(
                    "topic_refused", f"kafka: {for_code(error).__name__} for the configuration of {name}"
                )
            told = {entry[0]: str(entry[1]) for entry in entries}
            found[name] = {key: told[key] for key in keys}
    return found


async def _create(admin: AIOKafkaAdminClient, wanted: list[Any]) -> list[str]:
    answer = await admin.create_topics(wanted)
    made = []
    for name, code, message in answer.topic_errors:
        error = for_code(code)
        if code == 0:
            made.append(name)
        elif error is not TopicAlreadyExistsError:  # somebody else was first: as good
            raise NeverRetry(
                "topic_refused", f"topic {name} cannot be created: {error.__name__}: {message}", topic=name
            )
    return made


async def _until_led(admin: AIOKafkaAdminClient, names: list[str]) -> None:
    """Wait until every partition of the new topics has its leader: before that the first use may fail."""
    async with asyncio.timeout(_MADE_SECONDS):
        while names and not _all_led(await admin.describe_topics(names)):  # noqa: ASYNC110 - the brokers signal nothing
            await asyncio.sleep(0.05)


def _all_led(topics: Any) -> bool:
    return all(
        topic["error_code"] == 0
        and topic["partitions"]
        and all(p["leader"] >= 0 for p in topic["partitions"])
        for topic in topics
    )


async def _start(admin: AIOKafkaAdminClient, connection: KafkaConnection) -> None:
    """Start it; where nobody can be reached, raise what stands in the way, which the library only logs."""
    try:
        await admin.start()
    except KafkaConnectionError as error:
        obstacle = await _obstacle(connection)
        if isinstance(obstacle, DENIED):
            who = f"{connection.protocol} as {connection.username or 'nobody'}"
            raise Stop("kafka_denied", f"kafka: {who}: {_told(obstacle)}") from obstacle
        raise (obstacle or error) from error


def _told(obstacle: Exception) -> str:
    if isinstance(obstacle, SSLError):
        return str(cause_of(obstacle, "KAFKA", "KAFKA_BOOTSTRAP_SERVERS", https=True))
    return f"{type(obstacle).__name__}: {obstacle}"


async def _obstacle(connection: KafkaConnection) -> Exception | None:
    options = connection.wire_options()
    for address in options.pop("bootstrap_servers"):
        host, _, port = address.rpartition(":")
        try:
            (await create_conn(host, int(port), **options)).close()
        except (KafkaError, OSError, TimeoutError) as error:
            return error
    return None


@asynccontextmanager
async def admin_client(connection: KafkaConnection, doing: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client for questions about topics and groups. Raises TryLater, Stop."""
    admin = AIOKafkaAdminClient(**connection.options())
    async with kafka_errors(doing, within=_SECONDS):
        try:
            await _start(admin, connection)
            yield admin
        finally:
            with suppress(KafkaError):
                await admin.close()
