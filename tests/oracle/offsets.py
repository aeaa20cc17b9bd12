"""I8: nothing is committed that has not been kept, and nothing committed is taken back."""

from collections.abc import Iterator

from tests.oracle.facts import Coordinates, Kind, Violation, World
from tests.oracle.reading import dead_letters, place_of, valid_identities


def offsets(world: World, *, at_rest: bool) -> Iterator[Violation]:
    """Check samples of the group's commits against rows and dead letters, which were read later."""
    del at_rest
    highest: dict[int, int] = {}
    for commit in world.commits:
        if commit.offset < highest.get(commit.partition, 0):
            yield Violation(
                "I8",
                f"partition {commit.partition}",
                f"fell from {highest[commit.partition]} to {commit.offset}",
            )
        highest[commit.partition] = max(commit.offset, highest.get(commit.partition, 0))
    kept = _kept(world)
    for sent in world.sent:
        place = sent.record.coordinates
        below = place.offset < highest.get(place.partition, 0)
        if below and sent.kind is not Kind.FOREIGN and place not in kept:
            yield Violation("I8", str(place), "was committed, and has neither a row nor a dead letter")


def _kept(world: World) -> set[Coordinates | None]:
    """Every place that a row or a dead letter answers for; a repeat is answered for by the first's row."""
    rows = {place_of(row) for row in world.runs}
    answered = {place for places in valid_identities(world).values() if places & rows for place in places}
    return answered | {place for place, _ in dead_letters((*world.live, *world.late))}
