"""The way back: which earlier generation can be returned to, the entry that does it, and what it leaves.

The sealed text takes no new field, for Laurel 0.1.0 refuses one. So the last reason of a rollback names the
generation that it returns to, in a sentence of one form, and its correlation id is the key of the command.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, Literal

from domain.decisions import CannotDecide
from domain.ledger import Cause, LedgerEntry, next_entry
from domain.values import Value
from domain.wording import iso_time

_RETURNS: Final = re.compile(r"back to generation ([1-9][0-9]{0,17}), version [1-9][0-9]{0,17}", re.ASCII)

ObstacleReason = Literal[
    "same_model",  # it is what the head is
    "rolled_away",  # an earlier rollback left it; a person may still name it
    "not_served",  # not every replica has said that it served it; a person may still name it
    "quarantined",
    "deleted",
    "another_run",  # a restored registry holds another run's model under its version
    "foreign",
    "unloadable",
]
# What is a reason not to choose a generation, and none to refuse it to a person who names it.
_DOUBTS: Final = frozenset({"rolled_away", "not_served"})


class Obstacle(Value):
    """Why a generation cannot be returned to, or is not chosen by itself."""

    reason: ObstacleReason
    detail: str

    @property
    def is_doubt(self) -> bool:
        """True for what does not hold back a person who names the generation."""
        return self.reason in _DOUBTS


class Refused(Value):
    """An earlier generation and its first obstacle."""

    entry: LedgerEntry
    obstacle: Obstacle

    @property
    def told(self) -> str:
        """Say it in a sentence."""
        return f"generation {self.entry.generation}, version {self.entry.version}: {self.obstacle.detail}"


class Choice(Value):
    """The generation to return to, None when there is none; `refused` are the newer ones, newest first."""

    target: LedgerEntry | None
    refused: tuple[Refused, ...] = ()


Look = Callable[[LedgerEntry], Awaitable[Obstacle | None]]


def returned_to(entry: LedgerEntry) -> int | None:
    """The generation that a rollback returns to; None of another entry."""
    found = _RETURNS.fullmatch(entry.reasons[-1]) if entry.cause is Cause.ROLLBACK else None
    return int(found[1]) if found else None


def rollback_entry(
    head: LedgerEntry, target: LedgerEntry, *, reason: str, actor: str, at: datetime, key: str
) -> LedgerEntry:
    """Make the entry that returns from `head` to `target`; appending it decides.

    `key` names the command: the entry is found by it when the command is repeated.
    """
    return next_entry(
        head.model_name,
        head,
        version=target.version,
        cause=Cause.ROLLBACK,
        mlflow_run_id=target.mlflow_run_id,
        triple=target.triple,
        reasons=(reason, f"back to generation {target.generation}, version {target.version}"),
        correlation_id=key,
        actor=actor,
        at=at,
        model_digest=target.model_digest,
    )


def is_same_model(one: LedgerEntry, other: LedgerEntry) -> bool:
    """True for two generations of one model: of one version, or of one run, as a repair's."""
    if one.version == other.version:
        return True
    return one.mlflow_run_id is not None and one.mlflow_run_id == other.mlflow_run_id


def rolled_away(
    entries: Sequence[LedgerEntry], target: LedgerEntry, head: LedgerEntry
) -> tuple[LedgerEntry, ...]:
    """The generations that a return from `head` to `target` leaves, oldest first; `head` is one of them.

    An entry of the target's own model is not left: it is what is returned to.
    """
    return _left_for(target, target.generation, (one for one in entries if one.generation <= head.generation))


def _left_for(model: LedgerEntry, generation: int, entries: Iterable[LedgerEntry]) -> tuple[LedgerEntry, ...]:
    return tuple(
        entry for entry in entries if entry.generation > generation and not is_same_model(entry, model)
    )


def left_by_rollbacks(entries: Sequence[LedgerEntry]) -> dict[int, LedgerEntry]:
    """The generations that stand left, each with the rollback that left it.

    A person who chose such a model again, by whatever means, has taken that back. The entries may begin
    anywhere: a rollback is of its target's own model.
    """
    left: dict[int, LedgerEntry] = {}
    known: dict[int, LedgerEntry] = {}
    for entry in entries:
        to = returned_to(entry)
        if to is not None:
            left |= dict.fromkeys((one.generation for one in _left_for(entry, to, known.values())), entry)
        if entry.cause is not Cause.GATE:
            left = {number: by for number, by in left.items() if not is_same_model(known[number], entry)}
        known[entry.generation] = entry
    return left


def earlier_models(entries: Sequence[LedgerEntry]) -> Iterator[LedgerEntry]:
    """The newest generation of each model but the head's, newest first."""
    passed: list[LedgerEntry] = []
    for entry in reversed(entries):
        if not any(is_same_model(entry, one) for one in passed):
            passed.append(entry)
            if len(passed) > 1:
                yield entry


async def choose(entries: Sequence[LedgerEntry], look: Look) -> Choice:
    """Choose the newest earlier generation without an obstacle; only as many are looked at as need be."""
    left = left_by_rollbacks(entries)
    refused: list[Refused] = []
    for entry in earlier_models(entries):
        obstacle = _left(left.get(entry.generation)) or await look(entry)
        if obstacle is None:
            return Choice(target=entry, refused=tuple(refused))
        refused.append(Refused(entry=entry, obstacle=obstacle))
    return Choice(target=None, refused=tuple(refused))


def was_left(entries: Sequence[LedgerEntry], entry: LedgerEntry) -> Obstacle | None:
    """Say that an earlier rollback left a generation, if it did."""
    return _left(left_by_rollbacks(entries).get(entry.generation))


def _left(by: LedgerEntry | None) -> Obstacle | None:
    if by is None:
        return None
    return Obstacle(
        reason="rolled_away", detail=f"generation {by.generation} rolled back from it: {by.reasons[0]}"
    )


def named_target(entries: Sequence[LedgerEntry], generation: int) -> LedgerEntry:
    """The generation that a person names. Raises CannotDecide `no_such_generation` or `same_model`."""
    head = entries[-1]
    target = next((entry for entry in entries if entry.generation == generation), None)
    if target is None:
        raise CannotDecide(
            "no_such_generation",
            f"the ledger holds no generation {generation}: its head is generation {head.generation}",
        )
    if is_same_model(target, head):
        raise CannotDecide(
            "same_model",
            f"generation {generation} is version {target.version}, and the head, generation "
            f"{head.generation}, is the same model: there is nothing to roll back",
        )
    return target


def first_step(head: LedgerEntry) -> None:
    """Raise CannotDecide `rolled_back_already` where a head is a rollback itself.

    Two who step back at once, or one who does it twice, mean one step. Who means two names the generation.
    """
    if head.cause is Cause.ROLLBACK:
        raise CannotDecide(
            "rolled_back_already",
            f"generation {head.generation} is a rollback already, to version {head.version}, by {head.actor} "
            f"at {iso_time(head.at)}: {head.reasons[0]}. To go further back, name the generation "
            "(--to)",
        )
