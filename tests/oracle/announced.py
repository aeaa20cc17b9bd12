"""I5: what happened is announced: each fact once by its id, the same bytes each time, in order.

The bytes are id, key, body and the headers that the outbox holds: a tracer adds its own to each send.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from tests.oracle.facts import OutboxRow, Record, Violation, World
from tests.oracle.reading import (
    body,
    event_id,
    events,
    generation_event_id,
    hold_event_id,
    loss_event_id,
    quarantine_event_id,
    replica_event_id,
    run_event_id,
)

_DUE: Final = {
    ("SPLIT", "VERSIONED"): "split.completed",
    ("TRAINED", "EVALUATED"): "model.evaluated",
    ("EVALUATED", "DECLINED"): "model.declined",
    ("REQUESTED", "REJECTED"): "training.rejected",
}
_OF_LOSSES: Final = "champion.missing"
_OF_HOLDS: Final = {"promotion.held": "held", "promotion.released": "released"}
_OF_QUARANTINES: Final = {"model.quarantined": "quarantined", "model.quarantine_lifted": "lifted"}
_OF_REPLICAS: Final = frozenset({"inference.reloaded", "inference.diverged"})


def announced(world: World, *, at_rest: bool) -> Iterator[Violation]:
    """Check topics against outbox, and outbox against history and ledger."""
    outbox = {row.event_id: row for row in world.outbox}
    for name, records in (("live", events(world.live)), ("late", events(world.late))):
        for record in records:
            yield from _told_as_written(name, record, outbox, world.model_name)
    yield from _in_order(world, outbox)
    due = (
        due_events(world)
        | reports_of_replicas(world)
        | reports_of_losses(world)
        | decisions_of_persons(world)
    )
    for event in outbox.keys() - due.keys():
        yield Violation("I5", event, f"the outbox announces on {outbox[event].topic} what did not happen")
    for event, row in outbox.items():
        if row.topic != due.get(event, row.topic):
            yield Violation("I5", event, f"is announced on {row.topic}, and belongs on {due[event]}")
    if at_rest:
        yield from _all_told(world, outbox, due)


def due_events(world: World) -> dict[str, str]:
    """The id and the topic of every event that history and ledger ask for."""
    due = {}
    for step in world.history:
        topic = "training.failed" if step.to_state == "FAILED" else _DUE.get((step.from_state, step.to_state))
        if topic:
            due[run_event_id(step.run_id, step.from_state, step.to_state)] = topic
    for row in world.ledger:
        run_id = json.loads(row.content).get("run_id")
        if run_id is None:
            due[generation_event_id(world.model_name, row.generation)] = "model.promoted"
        else:
            due[run_event_id(run_id, "PROMOTED", "COMPLETED")] = "model.promoted"
    return due


def reports_of_replicas(world: World) -> dict[str, str]:
    """The id and the topic of what was said of a replica and a generation that the ledger holds."""
    held = {(row.generation, row.version) for row in world.ledger}
    said = [(row.topic, json.loads(row.body)) for row in world.outbox if row.topic in _OF_REPLICAS]
    return {
        replica_event_id(world.model_name, fact["generation"], fact["replica"], topic): topic
        for topic, fact in said
        if (fact.get("generation"), fact.get("version")) in held
    }


def reports_of_losses(world: World) -> dict[str, str]:
    """The id and the topic of what was said of a version that the ledger names and the registry lost."""
    held = {(row.generation, row.version) for row in world.ledger}
    said = [json.loads(row.body) for row in world.outbox if row.topic == _OF_LOSSES]
    return {
        loss_event_id(world.model_name, fact["generation"], fact["loss"]): _OF_LOSSES
        for fact in said
        if (fact.get("generation"), fact.get("version")) in held
    }


def decisions_of_persons(world: World) -> dict[str, str]:
    """The id and the topic of what was said of holds, and of quarantines that a rollback began."""
    rollbacks = {row.generation for row in world.ledger if row.cause == "rollback"}
    due = {}
    for row in world.outbox:
        fact = json.loads(row.body) if row.topic in {**_OF_HOLDS, **_OF_QUARANTINES} else {}
        if row.topic in _OF_HOLDS:
            due[hold_event_id(world.model_name, fact["hold_id"], _OF_HOLDS[row.topic])] = row.topic
        elif row.topic in _OF_QUARANTINES and fact["by_generation"] in rollbacks:
            place = (fact["generation"], fact["by_generation"])
            due[quarantine_event_id(world.model_name, *place, _OF_QUARANTINES[row.topic])] = row.topic
    return due


def _told_as_written(
    reader: str, record: Record, outbox: Mapping[str, OutboxRow], model_name: str
) -> Iterator[Violation]:
    about = f"{reader} {record.topic}/{record.coordinates.partition}/{record.coordinates.offset}"
    row = outbox.get(event_id(record) or "")
    if row is None:
        yield Violation("I5", about, f"the id {event_id(record)} is not in the outbox")
        return
    ours = dict(row.headers)
    headers = {name: (value or b"").decode() for name, value in record.headers if name in ours}
    if (record.topic, record.value, headers) != (row.topic, row.body.encode(), ours):
        yield Violation("I5", about, f"the event {row.event_id} is not what the outbox holds")
    if record.key != model_name.encode():
        yield Violation("I5", about, f"its key is {record.key!r}, not the model's name")


def _in_order(world: World, outbox: Mapping[str, OutboxRow]) -> Iterator[Violation]:
    """First appearances follow the outbox within a run; generations follow each other."""
    first: dict[str, Record] = {}
    for record in sorted(events(world.late), key=lambda record: record.coordinates.offset):
        first.setdefault(event_id(record) or "", record)
    by_run: dict[str, list[OutboxRow]] = {}
    for row in sorted(outbox.values(), key=lambda row: row.seq):
        by_run.setdefault(row.run_id or "", []).append(row)
    for run_id, rows in by_run.items():
        times = [first[row.event_id].coordinates.timestamp_ms for row in rows if row.event_id in first]
        if run_id and times != sorted(times):
            yield Violation("I5", run_id, f"its events were first seen out of order: {times}")
    yield from _generations([record for record in first.values() if record.topic == "model.promoted"])


def _generations(promotions: Iterable[Record]) -> Iterator[Violation]:
    """Each number follows the one before, or a person left numbers out; none is used for two contents."""
    before = 0
    for told in map(body, promotions):
        number = told["generation"]
        follows = number > before if told.get("cause") == "recovery" else number == before + 1
        if not follows:
            yield Violation("I5", "model.promoted", f"generation {number} was announced after {before}")
        before = max(before, number)


def _all_told(world: World, outbox: Mapping[str, OutboxRow], due: Mapping[str, str]) -> Iterator[Violation]:
    for event in due.keys() - outbox.keys():
        yield Violation("I5", event, f"{due[event]} was never put into the outbox")
    late, live = _ids(world.late), _ids(world.live)
    for event in outbox.keys() - late:
        yield Violation("I5", event, f"{outbox[event].topic} never reached its topic")
    if live != late:
        odd = sorted(live ^ late)
        yield Violation("I5", "readers", f"a reader amid the faults and a late one differ by {odd}")


def _ids(records: Iterable[Record]) -> set[str]:
    return {event_id(record) or "" for record in events(records)}
