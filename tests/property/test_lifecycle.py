"""The transition table, cell by cell and history by history."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import IllegalTransition
from domain.lifecycle import ENDS, NEXT_STEP, TRANSITIONS, Outcome, State, advance

# Written down a second time, from the design and not from the code.
_ARROWS = (
    {
        ("REQUESTED", "resolved", "RESOLVED"),
        ("REQUESTED", "refused", "REJECTED"),
        ("RESOLVED", "split", "SPLIT"),
        ("SPLIT", "versioned", "VERSIONED"),
        ("VERSIONED", "trained", "TRAINED"),
        ("TRAINED", "evaluated", "EVALUATED"),
        ("EVALUATED", "won", "PROMOTED"),
        ("EVALUATED", "lost", "DECLINED"),
        ("PROMOTED", "persisted", "COMPLETED"),
    }
    | {
        (state, "gave_up", "FAILED")
        for state in ("REQUESTED", "RESOLVED", "SPLIT", "VERSIONED", "TRAINED", "EVALUATED")
    }
    | {(state, "cancelled", "FAILED") for state in ("REQUESTED", "RESOLVED", "SPLIT", "VERSIONED", "TRAINED")}
)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("outcome", Outcome)
def test_every_cell_leads_where_the_design_says_or_is_refused(state: State, outcome: Outcome) -> None:
    expected = {to for was, what, to in _ARROWS if (was, what) == (state.value, outcome.value)}
    if expected:
        assert {advance(state, outcome).value} == expected
    else:
        with pytest.raises(IllegalTransition):
            advance(state, outcome)


@given(st.lists(st.sampled_from(list(Outcome)), max_size=40))
def test_no_history_leaves_an_end_or_fails_behind_a_promotion(outcomes: list[Outcome]) -> None:
    state, seen = State.REQUESTED, [State.REQUESTED]
    for outcome in outcomes:
        try:
            state = advance(state, outcome)
        except IllegalTransition:
            continue
        seen.append(state)
    assert all(was not in ENDS for was in seen[:-1])
    assert len(set(seen)) == len(seen), "no state is entered twice"
    if State.PROMOTED in seen:
        assert seen[-1] in {State.PROMOTED, State.COMPLETED}


def test_every_state_but_the_ends_has_a_next_step_and_a_way_on() -> None:
    assert set(NEXT_STEP) == set(State) - ENDS
    assert {was for was, _ in TRANSITIONS} == set(NEXT_STEP)
