"""I13: every row of a master has one fate, and what is announced of them is what was counted."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.oracle.facts import RunRow, Violation, World
from tests.oracle.reading import body, events


def fates(world: World, *, at_rest: bool) -> Iterator[Violation]:
    """Add up the fates of each split, and hold its announcement against them."""
    del at_rest
    told = {row.run_id: counted for row in world.runs if (counted := _counted(row)) is not None}
    for row in world.runs:
        if row.run_id in told:
            yield from _add_up(row, told[row.run_id])
    for record in events(world.late):
        said = body(record) if record.topic == "split.completed" else {}
        if "fates" in said and said["fates"] != told.get(said["run_id"]):
            yield Violation("I13", said["run_id"], f"{said['fates']} was announced")


def _counted(row: RunRow) -> Mapping[str, Any] | None:
    """What a split says of its rows; one that 0.1.0 made says nothing."""
    split = row.outputs.get("split") or {}
    found: Mapping[str, Any] | None = split.get("statistics", {}).get("fates")
    return found


def _add_up(row: RunRow, told: Mapping[str, Any]) -> Iterator[Violation]:
    split = row.outputs["split"]
    numbers = [told["train"], told["reference"], told["tests"], *told["unused"].values()]
    if min(numbers) < 0 or sum(numbers) != split["master"]["rows"]:
        yield Violation("I13", row.run_id, f"{told} are not the {split['master']['rows']} rows of the master")
    if told["train"] != split["train"]["rows"]:
        yield Violation("I13", row.run_id, f"{told['train']} rows train, {split['train']['rows']} are there")
    if split["reference_created"] and told["reference"] != split["reference"]["rows"]:
        yield Violation("I13", row.run_id, f"{told['reference']} rows judge of {split['reference']['rows']}")
