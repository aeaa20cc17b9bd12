"""A running coroutine as a number: two that stand at the same place with the same values are one state.

So the search runs on the product's own code and yet forgets how a process came to where it is. The place is
the chain of frames from the outermost coroutine to the question that it waits for; the values are the locals
that may still be read, and what lies on the interpreter's own stack (a loop's iterator lies there). A value
of which nobody has said how it compares stops the search.
"""

import gc
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import nullcontext
from types import (
    BuiltinFunctionType,
    CellType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MethodDescriptorType,
    MethodType,
    SimpleNamespace,
)
from typing import Any, Final, NamedTuple, cast

from pydantic import BaseModel

from domain.ledger import LedgerEntry
from service.lifecycle.cancel import Cancelling
from service.lifecycle.run_ports import RunPorts
from service.lifecycle.steps.decide import DecideStep, Inputs
from service.promotion.alias_watch import AliasWatch
from service.promotion.bars import PromotionBars
from service.promotion.counterparts import CounterpartChecks
from service.promotion.holding import PromotionHolding
from service.promotion.known_versions import KnownVersions
from service.promotion.projector import LedgerProjector
from service.promotion.promoting import PersonPromotion
from service.promotion.reconciler import Reconciler
from service.promotion.recovery import Recovery
from service.promotion.returnable import Returnable
from service.promotion.rollback import Rollback
from tests.model_checking.asking import Ask, AskingPort, NotingPoints, Question
from tests.model_checking.liveness import live_locals
from tests.model_checking.shared import Entries, Raised

Start = Callable[[], Coroutine[Any, Any, None]]

# The same all through one program: its place in the program says enough.
_FIXED: Final = (
    BuiltinFunctionType,
    CoroutineType,
    FunctionType,
    GeneratorType,
    MethodDescriptorType,
    MethodType,
    SimpleNamespace,
    type,
    RunPorts,
    Inputs,
    DecideStep,
    AliasWatch,
    CounterpartChecks,
    KnownVersions,
    LedgerProjector,
    Reconciler,
    Recovery,
    Cancelling,
    PromotionBars,
    PromotionHolding,
    Rollback,
    Returnable,
    PersonPromotion,
    nullcontext,
    NotingPoints,
    AskingPort,
    Ask,
)
_ITERATORS: Final[tuple[type[Any], ...]] = (type(iter([])), type(iter(())))


class LocalState(NamedTuple):
    """Where a process stands. `question` is None when it has ended."""

    program: str
    question: Question | None
    way: tuple[Any, ...]  # answers that lead here from its start: one way of many

    @property
    def worker(self) -> str:
        """Who runs the program."""
        return self.program.partition("@")[2]


class Machine:
    """Local states by number, found by running programs; each step is run once and then remembered."""

    def __init__(self, programs: Mapping[str, Start], entries: Entries) -> None:
        self._programs = programs
        self._entries = entries
        self._states: list[LocalState] = []
        self._numbers: dict[object, int] = {}
        self._steps: dict[tuple[int, Any], int] = {}
        self._starts: dict[str, int] = {}

    def __getitem__(self, number: int) -> LocalState:
        return self._states[number]

    def start(self, program: str) -> int:
        """The state in which a program asks its first question."""
        if program not in self._starts:
            self._starts[program] = self._run(program, ())
        return self._starts[program]

    def step(self, number: int, given: Any) -> int:
        """The state behind an answer."""
        key = number, given
        if key not in self._steps:
            state = self._states[number]
            self._steps[key] = self._run(state.program, (*state.way, given))
        return self._steps[key]

    def _run(self, program: str, way: tuple[Any, ...]) -> int:
        coroutine = self._programs[program]()
        try:
            question = coroutine.send(None)
            for given in way:
                question = self._answer(coroutine, given)
            state = LocalState(program, self._hashable(question), way)
            key: object = (program, state.question, tuple(self._place(coroutine)))
        except StopIteration:
            key, state = (program, "ended"), LocalState(program, None, way)
        finally:
            coroutine.close()
        return self._intern(key, state)

    def _answer(self, coroutine: Coroutine[Any, Any, None], given: Any) -> Question:
        if isinstance(given, Raised):
            return coroutine.throw(given.error())  # type: ignore[no-any-return]
        return coroutine.send(self._entries.value(given))  # type: ignore[no-any-return]

    def _intern(self, key: object, state: LocalState) -> int:
        number = self._numbers.setdefault(key, len(self._states))
        if number == len(self._states):
            self._states.append(state)
        return number

    def _hashable(self, question: Question) -> Question:
        return Question(question.name, self._plain(question.about))

    def _plain(self, about: Any) -> Any:
        if isinstance(about, LedgerEntry):
            return self._entries.number(about)
        return tuple(self._plain(part) for part in about) if isinstance(about, tuple) else about

    def _place(self, awaiting: Any) -> Iterator[object]:
        while isinstance(awaiting, CoroutineType):
            held = gc.get_referents(awaiting)  # … code, then the locals that are set, then the stack
            frame, code = cast("FrameType", awaiting.cr_frame), awaiting.cr_code
            named = frame.f_locals
            behind_code = len(held) - held[::-1].index(code)
            stack = tuple(self._freeze(value) for value in held[behind_code + len(named) :])
            live = sorted(live_locals(code, frame.f_lasti) & named.keys())
            locals_ = tuple((name, self._freeze(named[name])) for name in live)
            yield awaiting.__qualname__, frame.f_lasti, locals_, stack
            awaiting = awaiting.cr_await

    def _freeze(self, value: Any) -> object:  # noqa: PLR0911 - one way for each kind of value
        match value:
            case None | bool() | int() | float() | str():
                return value
            case LedgerEntry():
                return "entry", self._entries.number(value)
            case BaseModel():
                return repr(value)
            case list() | tuple():
                return tuple(self._freeze(part) for part in value)
            case set() | frozenset():
                return frozenset(self._freeze(part) for part in value)
            case dict():
                return tuple((key, self._freeze(part)) for key, part in value.items())
            case CellType():
                return self._freeze(value.cell_contents)
            case _ if isinstance(value, _ITERATORS):
                return tuple(self._freeze(part) for part in value.__reduce__()[1:])
            case _ if isinstance(value, _FIXED):
                return type(value).__name__
            case _:
                raise TypeError(f"nobody has said how two values of {type(value)} compare: {value!r}")
