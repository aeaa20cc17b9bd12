"""What strangers send, on the real broker: few dead letters that say what was bad, and the worker goes on."""

import asyncio
import os
import sys
from collections import Counter
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from handlers.envelope import FIRST_COORDINATES
from service.adapters.kafka.connection import UNPACKED_BYTES
from service.adapters.kafka.dead_letters import requeue_dead_letter, show_dead_letter
from service.adapters.kafka.topic_provisioning import ensure_topics
from tests.harm.bad_records import bad_records
from tests.kit.eventually import eventually
from tests.kit.records import EVENT
from tests.worlds.inbox import Headers, InboxWorld

SEED = 20_260


@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.soak)])
async def test_so_many_bad_records_are_as_many_dead_letters_and_no_restart(
    world: InboxWorld, count: int
) -> None:
    """B01: each with its bytes, headers, coordinates and reason; a good request after them is stored.

    Of one that is too large, the start and the digest are kept.
    """
    worker = await world.start()
    sent = {}
    for number, (value, headers, reason) in enumerate(bad_records(SEED, count)):
        partition = number % 3
        offset = await world.put(value, headers, key=str(number).encode(), partition=partition)
        sent[partition, offset] = (value, tuple(headers), reason)
        if reason == "too_large":
            sent[partition, offset] = ((value or b"")[: 1 << 14], (), reason)
    await world.put(b'{"reason": "marker"}', partition=2)
    await world.at_rest(within=120)
    letters = await world.dead_letters()
    found = {(one.record.coordinates.partition, one.record.coordinates.offset): one for one in letters}
    assert len(letters) == len(found) == count
    for place, expected in sent.items():
        letter = found[place]
        assert (letter.record.value, letter.record.headers, letter.why.reason) == expected
        assert letter.record.coordinates.topic == world.topic
    keys = {one.record.key for one in letters if one.why.reason != "too_large"}
    assert len(keys) == count - sum(reason == "too_large" for _, _, reason in sent.values())
    assert [row.payload for row in world.store.rows.values()] == [{"reason": "marker"}]
    assert worker.count("laurel_consumer_restarts_total") == 0
    assert worker.count("laurel_dead_letters_total") == count


async def test_a_flood_in_one_batch_is_told_of_in_few_letters_and_lets_others_through(
    world: InboxWorld,
) -> None:
    """Nulls, text that is no JSON and one good request, beside two other partitions."""
    contents = [(None, b"no JSON")[number % 4 == 3] for number in range(4000)]
    contents[1000] = b"{}"
    first = await world.put_batch(contents, partition=0)
    for partition in (1, 2):
        await world.put(b"{}", partition=partition)
    with capture_logs() as said:
        worker = await world.start()
        await world.at_rest()
    lines = [line for line in said if line["event"] in {"record_stored", "record_dead_lettered"}]
    assert [line.get("records") for line in lines] == [None] * (100 + 3) + [3899]
    assert len(world.store.rows) == 3
    letters = await world.dead_letters()
    (shared,) = [letter for letter in letters if letter.several]
    assert len(letters) == 101
    assert shared.record.value is None
    assert shared.record.coordinates.offset == first + 100
    assert shared.several is not None
    assert shared.several.model_dump() == {
        "records": 3899,
        "last_offset": first + 3999,
        "reasons": {"empty": 2924, "not_json": 975},
    }
    assert worker.count("laurel_records_total") == 4002


def attributes(**changes: str) -> Headers:
    return [(f"ce_{name}", text.encode()) for name, text in {**EVENT, **changes}.items()]


async def test_envelopes_that_cannot_be_trusted_are_set_aside_with_one_log_line_each(
    world: InboxWorld,
) -> None:
    """B02."""
    await world.start()
    bad: list[Headers] = [
        [("ce_id", None)],
        [("ce_source", b"\xff\xfe")],
        [(f"h{n}", b"v") for n in range(10_000)],
        attributes(type="laurel.model.promoted.v1"),
        attributes(specversion="0.3"),
        attributes(correlationid="x\r\ny: z"),
    ]
    with capture_logs() as said:
        for headers in bad:
            await world.put(b"{}", headers)
        await world.at_rest()
    letters = await world.dead_letters()
    assert [one.why.reason for one in letters] == ["bad_envelope"] * len(bad)
    assert Counter(line["event"] for line in said) == {"record_dead_lettered": len(bad)}


async def test_a_header_name_on_which_the_client_library_fails_stops_nothing(world: InboxWorld) -> None:
    worker = await world.start()
    await put_with_raw_header_name(world, b"\xff\xfe")
    await world.put(b"{}", partition=1)
    await world.at_rest()
    assert len(world.store.rows) == 2
    assert await world.dead_letters() == []
    assert worker.count("laurel_consumer_restarts_total") == 0


async def put_with_raw_header_name(world: InboxWorld, name: bytes) -> None:
    """Send what this client cannot: a header whose name is no UTF-8."""
    batch = world.producer.create_batch()
    batch.append(timestamp=None, key=None, value=b"{}", headers=[("ab", b"1")])
    batch.close()
    build = batch._builder.build
    batch._builder = _Rebuilt(batch._builder, bytes(build()).replace(b"\x04ab", b"\x04" + name))
    await (await world.producer.send_batch(batch, world.topic, partition=1))


class _Rebuilt:
    """Stands in for a batch's builder; hands out bytes with a checksum that fits them."""

    def __init__(self, builder: object, data: bytes) -> None:
        from aiokafka.record.util import calc_crc32c  # noqa: PLC0415 - belongs to this one trick

        self._builder = builder
        self._data: bytes = data[:17] + calc_crc32c(data[21:]).to_bytes(4, "big") + data[21:]

    def __getattr__(self, name: str) -> object:
        return getattr(self._builder, name)

    def build(self) -> bytes:
        return self._data

    def size(self) -> int:
        return len(self._data)


async def test_nothing_is_sent_to_where_a_reply_is_asked_for(world: InboxWorld) -> None:
    """B02: `reply_to` is a header like any other."""
    elsewhere = world.topic + "-replies"
    await ensure_topics(world.connection, {elsewhere: {}})
    await world.start()
    await world.put(b"{}", [("reply_to", elsewhere.encode()), ("correlation_id", b"c")])
    await world.put(b"nonsense", [("reply_to", elsewhere.encode())])
    await world.at_rest()
    assert (len(world.store.rows), len(await world.dead_letters())) == (1, 1)
    assert await world.count_records(elsewhere) == 0


async def test_at_the_limit_is_stored_and_one_byte_more_is_set_aside(world: InboxWorld) -> None:
    """B03, plain and compressed."""
    await world.start(max_bytes=50_000)
    for size in (50_000, 50_001):
        await world.put(b'{"reason": "' + b"x" * (size - 14) + b'"}')
    await world.at_rest()
    assert len(world.store.rows) == 1
    assert [one.why.reason for one in await world.dead_letters()] == ["too_large"]


async def test_a_small_batch_that_unpacks_to_300_mb_costs_little_memory(
    world: InboxWorld, tmp_path: Path
) -> None:
    """B03: the bomb is made and sent by another process, so that what grows here is the consumer."""
    await world.start()
    await world.put(b"{}", attributes(id="before"))
    await world.at_rest()
    before = forget_peak()
    await send_bomb(world, tmp_path)
    await world.put(b"{}", attributes(id="after"))
    await world.at_rest(within=60)
    assert memory("VmHWM") - before < 60 << 20
    (letter,) = await world.dead_letters()
    assert letter.why.reason == "too_large"
    assert "a batch of 1 records" in letter.why.detail
    assert str(UNPACKED_BYTES) in letter.why.detail
    assert len(world.store.rows) == 2


def forget_peak() -> int:
    """Count the peak of memory from here on; return what is used now, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def memory(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


async def send_bomb(world: InboxWorld, folder: Path) -> None:
    script = folder / "bomb.py"
    script.write_text(_BOMB)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), world.connection.bootstrap_servers, world.topic, env=dict(os.environ)
    )
    assert await process.wait() == 0


_BOMB = """
import asyncio, sys
from aiokafka import AIOKafkaProducer

async def main():
    options = dict(acks="all", compression_type="gzip", max_request_size=1 << 30, max_batch_size=1 << 30)
    async with AIOKafkaProducer(bootstrap_servers=sys.argv[1], **options) as producer:
        await producer.send_and_wait(sys.argv[2], bytes(300_000_000), partition=0)

asyncio.run(main())
"""


async def test_one_identity_with_two_payloads_is_a_conflict_and_the_first_stands(world: InboxWorld) -> None:
    """B05."""
    await world.start()
    await world.put(b'{"split_version": 1}', attributes())
    await world.put(b'{"split_version": 2}', attributes())
    await world.at_rest()
    (letter,) = await world.dead_letters()
    assert (letter.why.reason, letter.record.value) == ("id_conflict", b'{"split_version": 2}')
    assert [row.payload for row in world.store.rows.values()] == [{"split_version": 1}]


async def test_without_the_dead_letter_topic_a_bad_record_waits_and_is_not_lost(world: InboxWorld) -> None:
    """B06: its partition waits, the others go on; back with the topic, everything is set aside."""
    worker = await world.start(session_seconds=2)
    await world.put(b"bad", partition=0)
    await world.at_rest()
    await world.admin.delete_topics([world.dead_topic])
    bad = await world.put(b"worse", partition=0)
    with capture_logs() as said:
        await eventually(lambda: sum(line["event"] == "record_waits" for line in said) >= 2)
        await world.put(b"{}", partition=1)
        await eventually(lambda: len(world.store.rows) == 1)
        committed, _ = await world.offsets()
        assert committed[0] == bad
        await ensure_topics(world.connection, {world.dead_topic: {}})
        await world.at_rest(within=60)
    assert {one.record.value for one in await world.dead_letters()} == {b"worse"}
    assert {line["reason"] for line in said if line["event"] == "record_waits"} == {
        "dead_letters_unavailable"
    }
    assert worker.count("laurel_consumer_restarts_total") == 0


@pytest.mark.parametrize("headers", [[], attributes()], ids=["plain", "cloud event"])
async def test_a_dead_letter_requeued_twice_is_one_request_under_its_first_identity(
    world: InboxWorld, headers: Headers
) -> None:
    """B08."""
    first = await world.start(max_bytes=20)
    value = b'{"reason": "longer than twenty bytes"}'
    await world.put(value, headers, key=b"k")
    await world.at_rest()
    (listed,) = await world.dead_letters()
    await first.stop()
    await world.start(max_bytes=1000)
    letter = await show_dead_letter(
        world.connection, world.dead_topic, listed.place.partition, listed.place.offset
    )
    for _ in range(2):
        await requeue_dead_letter(world.connection, letter, world.topic)
    await world.at_rest()
    (request,) = world.store.rows.values()
    plain = f"record:{listed.record.coordinates}"
    assert request.identity == ("event:/gateway 42" if headers else plain)
    assert request.payload == {"reason": "longer than twenty bytes"}
    assert world.store.calls == 2
    assert FIRST_COORDINATES not in dict(letter.record.headers)
