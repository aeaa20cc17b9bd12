"""I4: at rest, alias and defaults show the ledger's head, and nothing is left to do."""

import json
from collections.abc import Iterator

from tests.oracle.facts import Violation, World
from tests.oracle.one_end import ENDS
from tests.oracle.reading import triple_of
from tests.oracle.whole_files import defaults_in


def converged(world: World, *, at_rest: bool) -> Iterator[Violation]:
    """Check that production is what the ledger says. It says nothing of a world amid faults."""
    if not at_rest:
        return
    yield from _head_is_shown(world)
    unfinished = [row.run_id for row in world.runs if row.state not in ENDS]
    unsent = [row.seq for row in world.outbox if not row.sent]
    if unfinished:
        yield Violation("I4", ", ".join(unfinished), "runs are unfinished")
    if unsent:
        yield Violation("I4", str(unsent), "outbox rows are unsent")
    yield from _no_lag(world)


def _head_is_shown(world: World) -> Iterator[Violation]:
    head = max(world.ledger, default=None)
    if head is None:
        return
    if world.alias != head.version:
        yield Violation("I4", "alias", f"shows {world.alias}, the ledger's head is {head.version}")
    version = next((one for one in world.versions if one.version == head.version), None)
    if version is None or "MLmodel" not in version.files:
        yield Violation("I4", f"version {head.version}", "the champion has no model to load")
    triple = triple_of(json.loads(head.content).get("triple"))
    if triple is not None and world.active and defaults_in(world.active[-1]) != triple:
        yield Violation(
            "I4", "training_defaults", f"are {defaults_in(world.active[-1])}, the head's are {triple}"
        )


def _no_lag(world: World) -> Iterator[Violation]:
    committed = {commit.partition: commit.offset for commit in world.commits}
    for partition, end in world.ends.items():
        if committed.get(partition, 0) < end:
            yield Violation(
                "I4", f"partition {partition}", f"is read to {committed.get(partition, 0)} of {end}"
            )
