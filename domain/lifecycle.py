"""The state machine of a run: the one transition table, and the only way through it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from domain.errors import IllegalTransition


class State(StrEnum):
    """Where a run is. The value is what the run store and the events say."""

    REQUESTED = "REQUESTED"
    RESOLVED = "RESOLVED"
    SPLIT = "SPLIT"
    VERSIONED = "VERSIONED"
    TRAINED = "TRAINED"
    EVALUATED = "EVALUATED"
    PROMOTED = "PROMOTED"
    COMPLETED = "COMPLETED"
    DECLINED = "DECLINED"
    REJECTED = "REJECTED"
    FAILED = "FAILED"


class Outcome(StrEnum):
    """How a step came out."""

    RESOLVED = "resolved"
    REFUSED = "refused"
    SPLIT = "split"
    VERSIONED = "versioned"
    TRAINED = "trained"
    EVALUATED = "evaluated"
    WON = "won"
    LOST = "lost"
    PERSISTED = "persisted"
    GAVE_UP = "gave_up"
    CANCELLED = "cancelled"


class Step(StrEnum):
    """The steps that move a run on, in order. Opening the MLflow run has no state of its own."""

    RESOLVE = "resolve"
    SPLIT = "split"
    VERSION = "version"
    TRAIN = "train"
    EVALUATE = "evaluate"
    DECIDE = "decide"
    PERSIST = "persist"


ENDS: Final = frozenset({State.COMPLETED, State.DECLINED, State.REJECTED, State.FAILED})

# The step that a run in this state needs next; an end needs none.
NEXT_STEP: Final[Mapping[State, Step]] = {
    State.REQUESTED: Step.RESOLVE,
    State.RESOLVED: Step.SPLIT,
    State.SPLIT: Step.VERSION,
    State.VERSIONED: Step.TRAIN,
    State.TRAINED: Step.EVALUATE,
    State.EVALUATED: Step.DECIDE,
    State.PROMOTED: Step.PERSIST,
}

# Behind these nothing is decided yet: a person may still call it off.
CANCELLABLE: Final = (State.REQUESTED, State.RESOLVED, State.SPLIT, State.VERSIONED, State.TRAINED)

TRANSITIONS: Final[Mapping[tuple[State, Outcome], State]] = {
    (State.REQUESTED, Outcome.RESOLVED): State.RESOLVED,
    (State.REQUESTED, Outcome.REFUSED): State.REJECTED,
    (State.RESOLVED, Outcome.SPLIT): State.SPLIT,
    (State.SPLIT, Outcome.VERSIONED): State.VERSIONED,
    (State.VERSIONED, Outcome.TRAINED): State.TRAINED,
    (State.TRAINED, Outcome.EVALUATED): State.EVALUATED,
    (State.EVALUATED, Outcome.WON): State.PROMOTED,
    (State.EVALUATED, Outcome.LOST): State.DECLINED,
    (State.PROMOTED, Outcome.PERSISTED): State.COMPLETED,
    # A promoted run is in the ledger already: it can only wait and go on.
    **{(state, Outcome.GAVE_UP): State.FAILED for state in NEXT_STEP if state is not State.PROMOTED},
    **{(state, Outcome.CANCELLED): State.FAILED for state in CANCELLABLE},
}


def advance(state: State, outcome: Outcome) -> State:
    """Say where `outcome` leads from `state`; where the table is silent, raise IllegalTransition."""
    try:
        return TRANSITIONS[state, outcome]
    except KeyError:
        raise IllegalTransition(
            "illegal_transition",
            f"{outcome.value!r} cannot happen in {state.value}",
            state=state,
            outcome=outcome,
        ) from None
