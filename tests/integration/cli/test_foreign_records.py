"""Commands on topics into which others wrote: a line or a sentence, an exit code, and never a traceback."""

import asyncio
import json
from collections.abc import Sequence

from domain.events import DEAD_LETTER_TOPIC, ModelEvaluated, ModelPromoted
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.dead_letters import send_as_it_was
from service.adapters.kafka.producers import start_producer, stop_producer
from service.cli.console import Exit
from tests.unit.cli.calls import Laurel

Headers = Sequence[tuple[str, bytes | None]]
Sent = tuple[str, bytes | None, Headers]


def letter(**changes: bytes | None) -> Headers:
    """Our headers in a dead letter, with changes that a stranger made."""
    ours: dict[str, bytes | None] = {
        "reason": b"not_json",
        "detail": b"\xff\x1b[31m",
        "original_topic": b"training.requested",
        "original_partition": b"0",
        "original_offset": b"7",
        "original_timestamp": b"1700000000000",
    }
    return [(f"laurel-{name.replace('_', '-')}", value) for name, value in {**ours, **changes}.items()]


ODD: Sequence[Headers] = (
    letter(original_offset=b"7" * 5000),
    letter(original_offset="\u0667".encode()),
    letter(original_partition=b"many"),
    letter(original_timestamp=None),
    letter(original_topic=b"../../etc"),
    letter()[:-1],
    [],
)


def put(bootstrap: str, records: Sequence[Sent], key: bytes) -> list[str]:
    """Send them byte by byte; return where they stand, as `partition/offset`."""

    async def send() -> list[str]:
        producer = await start_producer(KafkaConnection(bootstrap), max_request_size=1 << 22)
        places = [
            await send_as_it_was(producer, topic, key, value, headers) for topic, value, headers in records
        ]
        await stop_producer(producer)
        return [f"{place.partition}/{place.offset}" for place in places]

    return asyncio.run(send())


def test_letters_that_others_spoiled_are_no_letters_and_all_others_are_listed(
    laurel: Laurel, environment: dict[str, str], model: str
) -> None:
    bootstrap = environment["KAFKA_BOOTSTRAP_SERVERS"]
    spoiled = put(bootstrap, [(DEAD_LETTER_TOPIC, b"{}", headers) for headers in ODD], model.encode())
    foreign = [("x", None), ("laurel-fetch-problem", b"x"), *letter(original_topic=b"model.promoted")]
    (sound,) = put(bootstrap, [(DEAD_LETTER_TOPIC, b"{\xff", foreign)], model.encode())

    listed = laurel("dead-letters", "list", "--json")

    assert listed.code == Exit.DONE
    (shown,) = [one for one in listed.json if one["key"] == model]
    assert shown["place"].startswith(f"{DEAD_LETTER_TOPIC}/{sound}@")
    assert laurel("dead-letters", "list").code == Exit.DONE
    for place in (spoiled[0], "0/999999999999999999"):
        assert laurel("dead-letters", "show", place).code == Exit.NOT_FOUND
        assert laurel("dead-letters", "requeue", place).code == Exit.NOT_FOUND
    sent = laurel("dead-letters", "requeue", sound, "--json")
    assert sent.code == Exit.DONE
    assert sent.json["requeued_to"].startswith(
        "training.requested/"
    )  # not to the topic that the letter names


def test_a_place_that_is_none_is_told_what_one_looks_like(laurel: Laurel) -> None:
    for place in ("7" * 5000 + "/1", "0/" + "7" * 5000, "\u0660/1", "0/-1", "0", "x/y", "0/1/2"):
        ended = laurel("dead-letters", "show", "--", place)
        assert ended.code == Exit.USAGE
        assert "a place looks like 0/17" in ended.err.replace("\n", " ")


def test_events_with_text_in_place_of_numbers_are_shown(
    laurel: Laurel, environment: dict[str, str], model: str
) -> None:
    scores = {"metrics": {"rmsle": "0.1"}}
    bodies = [
        (ModelEvaluated.topic, json.dumps({"candidate": scores, "champion": scores}).encode()),
        (ModelPromoted.topic, b'{"generation": ' + b"7" * 5000 + b"}"),
        (ModelPromoted.topic, b'{"generation": 1, "version": 2, "cause": "\\ud800", "reasons": ["\\ud800"]}'),
        (ModelPromoted.topic, b"\xff"),
        (ModelPromoted.topic, None),
    ]
    put(environment["KAFKA_BOOTSTRAP_SERVERS"], [(topic, body, []) for topic, body in bodies], model.encode())

    watched = laurel("watch", "--no-follow")
    as_json = laurel("watch", "--no-follow", "--json")

    assert (watched.code, as_json.code) == (Exit.DONE, Exit.DONE)
    assert watched.out.count("does not match its schema") == 4
    assert "generation 1: version 2" in watched.out
    assert len([json.loads(line) for line in as_json.out.splitlines()]) == 5
