"""Worlds that were told, committed or kept secret wrongly."""

import json
from dataclasses import replace
from typing import Any

from tests.oracle import good_world as good
from tests.oracle.breaks import breaks, change_run
from tests.oracle.facts import Commit, Did, Record, World


@breaks("I5", amid_faults=True)
def _unknown_event(world: World) -> World:
    """A topic holds an event that the outbox does not know."""
    stranger = replace(world.late[0], headers=(("ce_id", b"unknown"),))
    return replace(world, live=(*world.live, stranger))


@breaks("I5", amid_faults=True)
def _other_bytes_told(world: World) -> World:
    """A repeat of an event says something else."""
    return replace(world, late=(*world.late, replace(world.late[0], value=b"{}")))


@breaks("I5", amid_faults=True)
def _other_key(world: World) -> World:
    """An event's key is not the model's name."""
    return replace(world, late=(replace(world.late[0], key=b"other"), *world.late[1:]))


@breaks("I5", amid_faults=True)
def _out_of_order(world: World) -> World:
    """A run's verdict was told before its split."""
    first = world.late[0]
    place = first.coordinates._replace(timestamp_ms=99_999)
    return replace(world, late=(replace(first, coordinates=place), *world.late[1:]))


@breaks("I5", amid_faults=True)
def _generations_swapped(world: World) -> World:
    """Generation 2 was announced before generation 1."""
    told = [record for record in world.late if record.topic == "model.promoted"]
    others = tuple(record for record in world.late if record.topic != "model.promoted")
    swapped = tuple(
        replace(record, coordinates=record.coordinates._replace(offset=offset))
        for offset, record in enumerate(reversed(told))
    )
    return replace(world, late=(*others, *swapped))


@breaks("I5", amid_faults=True)
def _told_what_was_not(world: World) -> World:
    """The outbox announces a failure that history does not know."""
    row = replace(world.outbox[0], seq=100, event_id="x", topic="training.failed", headers={"ce_id": "x"})
    record = good.published(row)
    return replace(
        world,
        outbox=(*world.outbox, row),
        late=(*world.late, record),
        live=(*world.live, record),
    )


@breaks("I5", amid_faults=True)
def _wrong_topic(world: World) -> World:
    """An event was put on another fact's topic."""
    row = replace(world.outbox[0], topic="model.declined")
    return replace(
        world,
        outbox=(row, *world.outbox[1:]),
        late=(good.published(row), *world.late[1:]),
        live=(good.published(row), *world.live[1:]),
    )


@breaks("I5", amid_faults=True)
def _report_of_no_generation(world: World) -> World:
    """A replica was said to serve a generation that the ledger does not hold."""
    row = good.replica_report(3)
    told = good.published(row)
    return replace(world, outbox=(*world.outbox, row), late=(*world.late, told), live=(*world.live, told))


@breaks("I5", amid_faults=True)
def _report_of_its_own_id(world: World) -> World:
    """What was said of a replica has an id that a repeat would not have."""
    row = replace(good.replica_report(2), seq=200, event_id="x", headers={"ce_id": "x"})
    told = good.published(row)
    return replace(world, outbox=(*world.outbox, row), late=(*world.late, told), live=(*world.live, told))


def _promoted_again(world: World, **facts: Any) -> World:
    row = next(row for row in reversed(world.outbox) if row.topic == "model.promoted")
    text = json.dumps({**json.loads(row.body), **facts})
    again = replace(row, seq=300, event_id="x", run_id=None, headers={"ce_id": "x"}, body=text)
    told = good.published(again)
    return replace(world, outbox=(*world.outbox, again), late=(*world.late, told), live=(*world.live, told))


@breaks("I5", amid_faults=True)
def _number_used_twice(world: World) -> World:
    """A number was announced again with another content, as a restored ledger would."""
    return _promoted_again(world, version=9)


@breaks("I5", amid_faults=True)
def _recovery_under_a_used_number(world: World) -> World:
    """A person went on under a number that had been announced."""
    return _promoted_again(world, version=9, cause="recovery")


def _without(records: tuple[Record, ...], topic: str) -> tuple[Record, ...]:
    return tuple(record for record in records if record.topic != topic)


@breaks("I5", amid_faults=False)
def _never_told(world: World) -> World:
    """A decline is not in the outbox."""
    return replace(
        world,
        outbox=tuple(row for row in world.outbox if row.topic != "model.declined"),
        late=_without(world.late, "model.declined"),
        live=_without(world.live, "model.declined"),
    )


@breaks("I5", amid_faults=False)
def _never_sent(world: World) -> World:
    """An outbox row marked sent is in no topic."""
    return replace(
        world,
        late=_without(world.late, "model.declined"),
        live=_without(world.live, "model.declined"),
    )


@breaks("I5", amid_faults=False)
def _readers_differ(world: World) -> World:
    """A reader amid the faults missed an event."""
    return replace(world, live=_without(world.live, "model.declined"))


@breaks("I8", amid_faults=True)
def _committed_unstored(world: World) -> World:
    """An offset was committed and its record has no row."""
    return replace(world, runs=world.runs[1:])


@breaks("I8", amid_faults=True)
def _committed_unset_aside(world: World) -> World:
    """An offset was committed and its bad record has no dead letter."""
    return replace(world, late=world.late[:-1])


@breaks("I8", amid_faults=True)
def _commit_falls(world: World) -> World:
    """A partition's committed offset fell."""
    return replace(world, commits=(*world.commits, Commit(0, 3), Commit(0, 6)))


@breaks("I10", amid_faults=True)
def _secret_in_log(world: World) -> World:
    """A secret stands in a log."""
    return replace(world, outputs={"worker's log": b"password=canary-7f"})


@breaks("I10", amid_faults=True)
def _secret_in_event(world: World) -> World:
    """A secret stands in a header of an event."""
    return replace(world, live=(replace(world.live[0], headers=(("x", b"canary-7f"),)),))


@breaks("I10", amid_faults=True)
def _secret_in_row(world: World) -> World:
    """A secret stands in the failure of a row."""
    return change_run(world, 3, failure={"reason": "x", "message": "at canary-7f"})


@breaks("I10", amid_faults=True)
def _secret_in_mlflow(world: World) -> World:
    """A secret stands in a tag in MLflow."""
    tags = {**world.tracked[0].tags, "note": "canary-7f"}
    return replace(world, tracked=(replace(world.tracked[0], tags=tags), *world.tracked[1:]))


@breaks("I11", amid_faults=False)
def _not_fired(world: World) -> World:
    """Of two declared faults one fired."""
    return replace(world, did=Did(declared=["kill", "kill"], fired=["kill"]))
