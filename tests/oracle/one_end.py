"""I1: every request has one row and comes to one end, by the transition table alone."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import Final

from tests.oracle.facts import Kind, Record, RunRow, Transition, Violation, World
from tests.oracle.reading import dead_letters, header, place_of, valid_identities

KEPT_OF_TOO_LARGE: Final = 1 << 14  # bytes
ENDS: Final = frozenset({"COMPLETED", "DECLINED", "REJECTED", "FAILED"})
ARROWS: Final = frozenset(
    {
        ("REQUESTED", "RESOLVED"),
        ("REQUESTED", "REJECTED"),
        ("RESOLVED", "SPLIT"),
        ("SPLIT", "VERSIONED"),
        ("VERSIONED", "TRAINED"),
        ("TRAINED", "EVALUATED"),
        ("EVALUATED", "PROMOTED"),
        ("EVALUATED", "DECLINED"),
        ("PROMOTED", "COMPLETED"),
        ("REQUESTED", "FAILED"),
        ("RESOLVED", "FAILED"),
        ("SPLIT", "FAILED"),
        ("VERSIONED", "FAILED"),
        ("TRAINED", "FAILED"),
        ("EVALUATED", "FAILED"),
    }
)


def one_end(world: World, *, at_rest: bool) -> Iterator[Violation]:
    """Check rows against requests, and each row's history against the table."""
    yield from _one_row_each(world, at_rest=at_rest)
    for row in world.runs:
        yield from _history(row, [step for step in world.history if step.run_id == row.run_id])
    if at_rest:
        yield from _ends(world)
        yield from _nothing_lost(world)


def _one_row_each(world: World, *, at_rest: bool) -> Iterator[Violation]:
    for name, count in Counter(row.identity for row in world.runs).items():
        if count > 1:
            yield Violation("I1", name, f"{count} rows have this identity")
    for identity, places in valid_identities(world).items():
        rows = [row for row in world.runs if place_of(row) in places]
        if len(rows) > 1:
            yield Violation("I1", str(identity), f"one request has {len(rows)} rows")
        if at_rest and not rows:
            yield Violation("I1", str(identity), "the request was lost: it has no row")


def _history(row: RunRow, steps: list[Transition]) -> Iterator[Violation]:
    state, fence = "REQUESTED", 0
    for number, step in enumerate(sorted(steps, key=lambda step: step.seq), start=1):
        if step.seq != number:
            yield Violation("I1", row.run_id, f"transition {number} of its history is missing")
        if step.from_state != state or (step.from_state, step.to_state) not in ARROWS:
            yield Violation("I1", row.run_id, f"went {step.from_state} → {step.to_state} when it was {state}")
        if step.fence < fence:
            yield Violation("I1", row.run_id, f"the fence fell from {fence} to {step.fence}")
        state, fence = step.to_state, step.fence
    if row.state != state:
        yield Violation("I1", row.run_id, f"is {row.state}, but its history ends in {state}")
    if row.fence < fence:
        yield Violation("I1", row.run_id, f"has the fence {row.fence}, but its history says {fence}")


def _ends(world: World) -> Iterator[Violation]:
    for row in world.runs:
        if row.state not in ENDS:
            yield Violation("I1", row.run_id, f"has come to no end: it is {row.state}")
        if row.state in {"REJECTED", "FAILED"} and not (row.failure or {}).get("reason"):
            yield Violation("I1", row.run_id, f"is {row.state} without a reason")


def _holds(letter: Record, original: Record) -> bool:
    """Whole, or of what is too large the start and the digest of all."""
    if letter.value == original.value:
        return True
    value = original.value or b""
    digest = hashlib.sha256(value).hexdigest()
    detail = header(letter, "laurel-detail") or ""
    is_cut = header(letter, "laurel-reason") == "too_large" and digest in detail
    return is_cut and letter.value == value[:KEPT_OF_TOO_LARGE]


def _nothing_lost(world: World) -> Iterator[Violation]:
    bad = {sent.record.coordinates for sent in world.sent if sent.kind is Kind.BAD}
    originals = {sent.record.coordinates: sent.record for sent in world.sent}
    dead = dict(dead_letters(world.late))
    for place in bad - dead.keys():
        yield Violation("I1", str(place), "a bad record has no dead letter")
    for origin, letter in dead.items():
        if origin is None or origin not in bad:
            yield Violation("I1", str(origin), "a dead letter is about nothing that was bad")
        elif not _holds(letter, originals[origin]):
            yield Violation("I1", str(origin), "a dead letter does not hold the original bytes")
    known = {place for places in valid_identities(world).values() for place in places}
    for row in world.runs:
        if place_of(row) not in known:
            yield Violation("I1", row.run_id, f"nobody asked for this run (it came from {row.coordinates})")
