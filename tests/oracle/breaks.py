"""Ways to break the good world, each with the promise that it breaks."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, NamedTuple

from tests.oracle.facts import World

How = Callable[[World], World]


class Break(NamedTuple):
    """`amid_faults`: the promise holds at all times, so it is seen amid faults too."""

    invariant: str
    wrong: str
    amid_faults: bool
    how: How


ALL: Final[list[Break]] = []


def breaks(invariant: str, *, amid_faults: bool) -> Callable[[How], How]:
    """Register a way to break a world; the function's docstring says what is wrong."""

    def keep(how: How) -> How:
        ALL.append(Break(invariant, (how.__doc__ or "").strip(), amid_faults, how))
        return how

    return keep


def change_run(world: World, number: int, **changes: Any) -> World:
    """Change one row."""
    runs = list(world.runs)
    runs[number] = replace(runs[number], **changes)
    return replace(world, runs=tuple(runs))
