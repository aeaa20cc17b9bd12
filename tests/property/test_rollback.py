"""Where a rollback may go, and what it leaves: for every ledger that gates and persons can make."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.announcement import generation_of
from domain.decisions import CannotDecide, made_under
from domain.ledger import Cause, LedgerEntry, next_entry
from domain.rollback import (
    Choice,
    Obstacle,
    choose,
    is_same_model,
    left_by_rollbacks,
    named_target,
    returned_to,
    rollback_entry,
    rolled_away,
)
from tests.kit.builders import MODEL, NOW, an_entry

FEW = settings(max_examples=50, deadline=None)  # each makes a whole ledger
BAD = Obstacle(reason="deleted", detail="it is gone")
# A gate's new model, a person's choice of a version, or a step back by so many generations.
MOVES = st.lists(
    st.one_of(
        st.just(("gate", 0)),
        st.tuples(st.just("override"), st.integers(1, 5)),
        st.tuples(st.just("rollback"), st.integers(1, 4)),
    ),
    min_size=1,
    max_size=9,
)


def ledger(moves: Sequence[tuple[str, int]]) -> list[LedgerEntry]:
    """The ledger that these moves make; one that cannot be made is passed over."""
    entries: list[LedgerEntry] = []
    for number, (move, about) in enumerate(moves):
        head = entries[-1] if entries else None
        version = max([0, *(entry.version for entry in entries)]) + 1
        if move == "gate" or head is None:
            facts: dict[str, Any] = {
                "cause": Cause.GATE,
                "run_id": str(number),
                "mlflow_run_id": f"m{version}",
            }
            entries.append(an_entry(head, version, **facts))
        elif move == "override":
            entries.append(an_entry(head, min(about, version)))
        elif len(entries) > about:
            entries.append(step_back(entries, entries[-1 - about], f"key-{number}"))
    return entries


def step_back(entries: Sequence[LedgerEntry], target: LedgerEntry, key: str = "key") -> LedgerEntry:
    return rollback_entry(entries[-1], target, reason="too high", actor="tests", at=NOW, key=key)


def chosen(entries: Sequence[LedgerEntry], bad: frozenset[int] = frozenset()) -> Choice:
    """The choice where these generations have an obstacle."""

    async def look(entry: LedgerEntry) -> Obstacle | None:
        return BAD if entry.generation in bad else None

    try:
        choose(entries, look).send(None)  # it waits for nothing: a loop would cost more than all of it
    except StopIteration as done:
        made: Choice = done.value
        return made
    raise AssertionError("it waits")


@FEW
@given(MOVES, st.frozensets(st.integers(1, 9)))
def test_the_chosen_generation_is_the_newest_of_another_model_that_nothing_speaks_against(
    moves: list[tuple[str, int]], bad: frozenset[int]
) -> None:
    entries = ledger(moves)
    choice, left = chosen(entries, bad), left_by_rollbacks(entries)
    passed = {one.entry.generation for one in choice.refused}
    assert passed <= bad | left.keys()
    for entry in entries:
        newer = choice.target is None or entry.generation > choice.target.generation
        latest = next(one for one in reversed(entries) if is_same_model(one, entry))
        if newer and not is_same_model(entry, entries[-1]) and latest == entry:
            assert entry.generation in passed
    if choice.target is not None:
        assert choice.target.generation not in bad | left.keys()
        assert not is_same_model(choice.target, entries[-1])


@FEW
@given(MOVES)
def test_what_was_left_is_not_gone_back_to_by_itself(moves: list[tuple[str, int]]) -> None:
    """So repeated steps back go further and further, and end."""
    entries = ledger(moves)
    seen = [entries[-1].version]
    while (target := chosen(entries).target) is not None:
        assert target.version not in seen
        seen.append(target.version)
        entries.append(step_back(entries, target))
    assert len(seen) <= len({entry.version for entry in entries})


@FEW
@given(MOVES, st.data())
def test_a_rollback_leaves_all_that_came_after_its_target_but_the_model_that_it_returns_to(
    moves: list[tuple[str, int]], data: st.DataObject
) -> None:
    entries = ledger(moves)
    target = data.draw(st.sampled_from(entries))
    left = rolled_away(entries, target, entries[-1])
    after = [entry for entry in entries if entry.generation > target.generation]
    assert [entry for entry in after if entry not in left] == [
        entry for entry in after if is_same_model(entry, target)
    ]
    assert list(left) == sorted(left, key=lambda entry: entry.generation)
    stands = left_by_rollbacks([*entries, step_back(entries, target)])
    assert {entry.generation for entry in left} <= stands.keys()
    assert target.generation not in stands


@FEW
@given(st.text(min_size=1, max_size=60), st.text(min_size=1, max_size=60), MOVES, st.data())
def test_the_sealed_entry_says_where_it_returns_to_whatever_a_person_writes(
    reason: str, key: str, moves: list[tuple[str, int]], data: st.DataObject
) -> None:
    entries = ledger(moves)
    target = data.draw(st.sampled_from(entries))
    made = rollback_entry(entries[-1], target, reason=reason, actor="tests", at=NOW, key=key)
    read = LedgerEntry.model_validate_json(made.text)
    event = generation_of(read)
    assert returned_to(read) == event.returns_to == target.generation
    assert (event.reason, event.version, event.cause) == (reason, target.version, Cause.ROLLBACK)
    assert made_under(key, [*entries, read]) == read


@FEW
@given(MOVES, st.integers(1, 20))
def test_a_generation_that_is_named_is_the_one_or_a_sentence_says_why_not(
    moves: list[tuple[str, int]], generation: int
) -> None:
    entries = ledger(moves)
    known = [entry for entry in entries if entry.generation == generation]
    if known and not is_same_model(known[0], entries[-1]):
        assert named_target(entries, generation) == known[0]
        return
    with pytest.raises(CannotDecide) as refused:
        named_target(entries, generation)
    assert refused.value.reason == ("same_model" if known else "no_such_generation")


def test_a_repaired_version_is_the_model_that_it_was_made_of() -> None:
    """A repair is the same model under another number: there is nothing to go back to."""
    first = an_entry(None, 1, mlflow_run_id="run")
    repaired = next_entry(
        MODEL, first, version=2, cause=Cause.REPAIR, mlflow_run_id="run", reasons=("r",), actor="a", at=NOW
    )
    assert chosen([first, repaired]).target is None
