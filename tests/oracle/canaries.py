"""I10: no secret leaves: whatever was planted in a setting is found nowhere."""

from collections.abc import Iterator

from tests.oracle.facts import Record, Violation, World


def canaries(world: World, *, at_rest: bool) -> Iterator[Violation]:
    """Search everything that anyone could read."""
    del at_rest
    for place, text in _texts(world):
        for canary in world.canaries:
            if canary.encode() in text:
                yield Violation("I10", place, f"holds a secret that begins with {canary[:6]}")


def _texts(world: World) -> Iterator[tuple[str, bytes]]:
    yield from world.outputs.items()
    for record in (*world.live, *world.late):
        yield f"topic {record.topic}", _bytes_of(record)
    for rows in (world.runs, world.outbox, world.ledger, world.tracked, world.versions):
        for row in rows:
            yield type(row).__name__, repr(row).encode()


def _bytes_of(record: Record) -> bytes:
    headers = b"\n".join(name.encode() + b"=" + (value or b"") for name, value in record.headers)
    return b"\n".join((record.key or b"", headers, record.value or b""))
