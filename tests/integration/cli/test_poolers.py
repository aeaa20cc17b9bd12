"""Behind a pooler in transaction mode no role takes part, and every command that needs sessions says why."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from config.settings import Settings
from config.topics import requests_group
from domain.errors import Stop
from domain.events import DEAD_LETTER_TOPIC, REQUEST_TOPIC
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.dead_letters import list_dead_letters
from service.adapters.kafka.requests import publish_request
from service.cli.console import Exit
from service.gateway.root import open_api
from service.lifecycle.looking import open_look
from service.lifecycle.reading import open_reading
from service.notifications.root import open_notifier
from service.rollout.root import open_listener
from service.runtime.metrics import Metrics
from tests.harm.poolers import Mode, Pooler
from tests.kit.settings_of import settings_of
from tests.unit.cli.calls import KEPT, Laurel
from tests.worlds.warm import laurel as in_a_fork

SENTENCE = "a pooler in transaction mode: connect directly, or use session mode"


async def committed(connection: KafkaConnection, model: str) -> dict[int, int]:
    """How far the workers of a model have read the requests, by partition."""
    admin = AIOKafkaAdminClient(**connection.options())
    await admin.start()
    try:
        places = await admin.list_consumer_group_offsets(requests_group(model))
    finally:
        await admin.close()
    return {place.partition: at.offset for place, at in places.items() if place.topic == REQUEST_TOPIC}


async def test_a_worker_ends_before_it_reads_a_request(environment: dict[str, str], model: str) -> None:
    connection = KafkaConnection(environment["KAFKA_BOOTSTRAP_SERVERS"])
    payload = {"model_name": model, "reason": "to be read later"}
    await publish_request(connection, REQUEST_TOPIC, payload, model_name=model, source="/tests")
    before = await committed(connection, model)
    async with Pooler(environment["DATABASE_URL"], Mode.TRANSACTION) as pooler:
        told = {"DATABASE_URL": pooler.url, "HTTP__WORKER_PORT": "0"}
        inherited = {name: os.environ[name] for name in KEPT & set(os.environ)}
        code, out, err = await in_a_fork("worker", **{**inherited, **environment, **told})
    said = out + err
    assert code == Exit.USAGE, said
    assert SENTENCE in said.splitlines()[-1]
    assert '"pooler_in_transaction_mode"' in said
    assert "Traceback" not in said
    assert await committed(connection, model) == before
    letters = [letter async for letter in list_dead_letters(connection, DEAD_LETTER_TOPIC)]
    assert not [letter for letter in letters if model.encode() in (letter.record.value or b"")]


async def test_the_doctor_and_a_migration_say_why(environment: dict[str, str], laurel: Laurel) -> None:
    async with Pooler(environment["DATABASE_URL"], Mode.TRANSACTION) as pooler:
        doctor = await asyncio.to_thread(laurel, "doctor", DATABASE_URL=pooler.url)
        upgrade = await asyncio.to_thread(laurel, "db", "upgrade", DATABASE_URL=pooler.url)
    assert doctor.code == Exit.NO
    line = next(line for line in doctor.out.splitlines() if "postgresql" in line)
    assert line.startswith("FAIL")
    assert SENTENCE in line
    assert line.endswith("→ the server's own address in DATABASE_URL, or a pooler in session mode")

    assert upgrade.code == Exit.USAGE
    assert SENTENCE in upgrade.err


async def _serve(settings: Settings) -> None:
    async with open_api(settings) as server:
        await server.run("127.0.0.1", 0)


async def _open(parts: AbstractAsyncContextManager[object]) -> None:
    async with parts:
        raise AssertionError("it opened")


@pytest.mark.parametrize(
    "opening",
    [
        _serve,
        lambda settings: _open(open_listener(settings, Metrics())),
        lambda settings: _open(open_notifier(settings, Metrics())),
        lambda settings: _open(open_reading(settings)),
        lambda settings: _open(open_look(settings)),
    ],
    ids=["api", "reload-listener", "notifier", "commands that read", "commands that look"],
)
async def test_every_role_refuses_it_at_its_start(
    opening: Callable[[Settings], Awaitable[None]], environment: dict[str, str]
) -> None:
    async with Pooler(environment["DATABASE_URL"], Mode.TRANSACTION) as pooler:
        pooled = environment | {"DATABASE_URL": pooler.url, "NOTIFIER__URLS": "json://127.0.0.1:9"}
        with pytest.raises(Stop, match=SENTENCE):
            await opening(settings_of(pooled))
