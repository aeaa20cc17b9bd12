"""The command line's side of the wire: a request goes out, events are read as any consumer reads them."""

import asyncio
import time

from domain.events import REQUEST_TYPE
from service.adapters.kafka.requests import ReadEvent, publish_request, read_events
from tests.worlds.inbox import MODEL, InboxWorld


async def test_a_request_is_stored_under_the_identity_that_was_told_and_asking_again_is_the_same(
    world: InboxWorld,
) -> None:
    await world.start()
    asked = [
        await publish_request(
            world.connection,
            world.topic,
            {"split_version": 1, "model_name": MODEL},
            model_name=MODEL,
            source="/laurel/cli",
            event_id="e-1",
            correlation_id="order-7",
        )
        for _ in range(2)
    ]
    await world.at_rest()
    (stored,) = world.store.rows.values()
    assert stored.identity == asked[0].identity == asked[1].identity
    assert (stored.correlation_id, stored.causation_id) == ("order-7", "e-1")
    assert stored.payload == {"split_version": 1, "model_name": MODEL}


async def test_events_are_read_from_the_beginning_from_a_time_and_as_they_come(world: InboxWorld) -> None:
    for number in range(5):
        await world.put(b'{"n": %d}' % number, [("ce_type", REQUEST_TYPE.encode())], partition=number % 3)
    await world.put(b"no json")
    await world.put(b"[" * 100_000)  # too deep for a parser that goes down into it
    between = int(time.time() * 1000) + 1
    await asyncio.sleep(0.005)
    await world.put(b'{"n": 9}', key=b"price")
    everything = [one async for one in read_events(world.connection, [world.topic, "no-such-topic"])]
    assert sorted(one.data["n"] for one in everything if one.data) == [0, 1, 2, 3, 4, 9]
    assert everything[0].attributes == {"type": REQUEST_TYPE}
    later = [one async for one in read_events(world.connection, [world.topic], from_ms=between)]
    assert [(one.data, one.key) for one in later] == [({"n": 9}, "price")]
    assert await until_marker(world) == 9


async def until_marker(world: InboxWorld) -> int:
    """Follow the topic; put a marker while following; return how many records came with it."""
    events: list[ReadEvent] = []
    stream = read_events(world.connection, [world.topic], follow=True)
    async for one in stream:
        events.append(one)
        if len(events) == 8:
            await world.put(b'{"marker": 1}')
        if one.data == {"marker": 1}:
            await stream.aclose()
            break
    return len(events)


async def test_an_empty_topic_and_a_missing_one_hold_nothing(world: InboxWorld) -> None:
    assert [one async for one in read_events(world.connection, [world.topic])] == []
    assert [one async for one in read_events(world.connection, ["no-such-topic"])] == []
    assert await world.dead_letters() == []
