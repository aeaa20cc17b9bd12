"""The search: every order of every step, with crashes, lost answers and a person at the registry.

A state is one number, so that millions of them fit: what is shared, where each process stands, and what may
still go wrong, each in bits of its own. Only how it was come to a state is kept beside it; what happened on
the way is found again when somebody wants to read it.
"""

import gc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tests.model_checking.local_states import Machine, Start
from tests.model_checking.promises import wrong_at_rest
from tests.model_checking.shared import Entries, Raised, Shared, answer, forgotten, landed, sent

_SHARED_BITS: Final = 24
_PLACE_BITS: Final = 20
_COUNT_BITS: Final = 3  # of crashes, and of lost answers
_SHARED: Final = (1 << _SHARED_BITS) - 1
_PLACE: Final = (1 << _PLACE_BITS) - 1
_COUNT: Final = (1 << _COUNT_BITS) - 1
_DEAD: Final = 0  # the number that a place has in a state is one higher than the machine's


@dataclass(frozen=True)
class Story:
    """What may happen: which processes run, what stands there before, how often what goes wrong.

    `processes` are names of `programs`; `reborn` names the program that a crashed one comes back as (none: it
    is gone for good). `choices` are the versions that persons may set, each once. `reconciler` looks at the
    end, when all is quiet.
    """

    name: str
    processes: tuple[str, ...]
    programs: Mapping[str, Start]
    before: Shared
    entries: Entries
    reborn: Mapping[str, str] = field(default_factory=dict)
    crashes: int = 0
    lost_answers: int = 0
    choices: tuple[int, ...] = ()
    reconciler: str | None = "reconciler"


class Step(NamedTuple):
    """What one question does, whoever else is where.

    `flips` are the bits of shared and place that it changes. `writes` is true for a write of the alias;
    `chosen` is a person's choice before, and `choice_stands` tells whether there is one after.
    """

    flips: int
    said: str
    wrong: str
    writes: bool
    chosen: int | None
    choice_stands: bool


class Move(NamedTuple):
    """One step to another state; `kind` and `about` say it for a reader of the trace."""

    to: int
    wrong: str
    kind: str
    about: tuple[int, ...]


@dataclass(frozen=True)
class Found:
    """What a search found: how many states there are, and the shortest way to a broken promise."""

    states: int
    quiet: int
    wrong: str = ""
    trace: tuple[str, ...] = ()


def search(story: Story, limit: int = 50_000_000) -> Found:
    """Visit every state, breadth first, so that the first broken promise has the shortest way.

    Raises OverflowError beyond `limit` states: a search that was cut off proves nothing.
    """
    gc.disable()  # millions of small values, none of them in a cycle
    try:
        return _Search(story).run(limit)
    finally:
        gc.enable()


class _Layout:
    """Where in the number of a state each thing stands, above what is shared.

    `saw` tells of each process if it has done anything while a person's choice stands there: only a write
    that was decided on before may undo one.
    """

    def __init__(self, processes: int, choices: int) -> None:
        self.places = tuple(_SHARED_BITS + _PLACE_BITS * slot for slot in range(processes))
        first = _SHARED_BITS + _PLACE_BITS * processes
        self.saw = tuple(1 << first + slot for slot in range(processes))
        self.all_saw = sum(self.saw)
        self.crashes = first + processes
        self.lost_answers = self.crashes + _COUNT_BITS
        self.choices = tuple(1 << self.lost_answers + _COUNT_BITS + number for number in range(choices))


class _Search:
    def __init__(self, story: Story) -> None:
        self._story = story
        self._entries = story.entries
        self._machine = Machine(story.programs, story.entries)
        self._layout = _Layout(len(story.processes), len(story.choices))
        self._shared: list[Shared] = []
        self._numbers: dict[Shared, int] = {}
        self._judged: dict[int, str] = {}
        self._steps: list[dict[int, Step | None]] = [{} for _ in story.processes]
        self._forgotten: dict[tuple[int, str], int] = {}
        self._came: dict[int, int] = {}

    def run(self, limit: int) -> Found:
        frontier, quiet, came = [self._first()], 0, self._came
        came[frontier[0]] = frontier[0]
        while frontier:
            ahead: list[int] = []
            for state in frontier:
                steps = self._going(state)
                if not steps and not self._of(state).on_the_way:
                    quiet += 1
                    if wrong := self._judge(state & _SHARED):
                        return self._found(quiet, wrong, state)
                for move in self._moves(state, steps):
                    if move.wrong:
                        return self._found(quiet, move.wrong, state, self._told(state, move))
                    if move.to not in came:
                        came[move.to] = state
                        ahead.append(move.to)
            if len(came) > limit:
                raise OverflowError(f"{self._story.name}: more than {limit} states")
            frontier = ahead
        return Found(len(came), quiet)

    def _first(self) -> int:
        story, layout = self._story, self._layout
        state = self._number(story.before) | sum(layout.choices)
        state |= story.crashes << layout.crashes | story.lost_answers << layout.lost_answers
        for slot, name in enumerate(story.processes):
            state |= self._machine.start(name) + 1 << layout.places[slot]
        return state

    def _number(self, shared: Shared) -> int:
        """Equal values have one number: it is cheap to hash."""
        number = self._numbers.setdefault(shared, len(self._shared))
        if number == len(self._shared):
            self._shared.append(shared)
        return number

    def _of(self, state: int) -> Shared:
        return self._shared[state & _SHARED]

    def _place(self, state: int, slot: int) -> int:
        return (state >> self._layout.places[slot] & _PLACE) - 1

    def _going(self, state: int) -> list[tuple[int, Step]]:
        """The processes that have something to ask, each with what its question does."""
        going, shared = [], state & _SHARED
        for slot, first in enumerate(self._layout.places):
            place = state >> first & _PLACE
            key = place << _SHARED_BITS | shared
            try:
                step = self._steps[slot][key]
            except KeyError:
                step = self._steps[slot][key] = self._step(place, shared, first)
            if step is not None:
                going.append((slot, step))
        return going

    def _judge(self, number: int) -> str:
        """Let a reconciler look, alone and undisturbed, and say what is then still wrong."""
        if number not in self._judged:
            self._judged[number] = self._look_and_judge(self._shared[number])
        return self._judged[number]

    def _look_and_judge(self, shared: Shared) -> str:
        if self._story.reconciler is not None:
            place = self._machine.start(self._story.reconciler)
            while (question := self._machine[place].question) is not None:
                given = answer(shared, question, self._entries)
                if given.wrong or (question.name == "set_alias" and shared.chosen is not None):
                    return given.wrong or _undone(shared.chosen or 0)
                place, shared = self._machine.step(place, given.given), given.shared
        return next(wrong_at_rest(shared, self._entries), "")

    def _moves(self, state: int, going: list[tuple[int, Step]]) -> Iterator[Move]:
        layout = self._layout
        may_crash, may_be_lost = state >> layout.crashes & _COUNT, state >> layout.lost_answers & _COUNT
        for slot, step in going:
            yield self._goes_on(state, slot, step)
            if may_be_lost and step.writes:
                yield self._lost(state, slot)
            if may_crash:
                yield from self._crashes(state, slot)
        shared = self._of(state)
        for number, version in shared.on_the_way:
            yield self._late_write(state, number, version)
        for bit, version in zip(layout.choices, self._story.choices, strict=True):
            if state & bit and version != shared.alias:
                yield self._choice(state, bit, version)

    def _goes_on(self, state: int, slot: int, step: Step) -> Move:
        saw, wrong = self._layout.saw[slot], step.wrong
        after = state ^ step.flips
        if step.writes:
            wrong = _undone(step.chosen) if step.chosen is not None and state & saw else wrong
        elif step.chosen is not None:
            after |= saw
        else:
            after &= ~saw
        if not step.choice_stands:
            after &= ~self._layout.all_saw
        return Move(after, wrong, "goes on", (slot,))

    def _step(self, place: int, number: int, first: int) -> Step | None:
        """Make one; None for a process that has ended."""
        if place == _DEAD or (question := self._machine[place - 1].question) is None:
            return None
        shared = self._shared[number]
        given = answer(shared, question, self._entries)
        behind, after = self._machine.step(place - 1, given.given) + 1, self._number(given.shared)
        if behind > _PLACE or after > _SHARED:
            raise OverflowError(f"{self._story.name}: more places than there are numbers for")
        return Step(
            (place ^ behind) << first | (number ^ after),
            given.note or ("" if given.given is None else f"{given.given}"),
            given.wrong,
            writes=question.name == "set_alias",
            chosen=shared.chosen,
            choice_stands=given.shared.chosen is not None,
        )

    def _with(self, state: int, shared: Shared) -> int:
        return state & ~_SHARED | self._number(shared)

    def _put(self, state: int, slot: int, place: int) -> int:
        first = self._layout.places[slot]
        return state & ~(_PLACE << first) | place << first

    def _lost(self, state: int, slot: int) -> Move:
        """The process hears nothing and goes on; its write lands some time later."""
        place = self._place(state, slot)
        shared = sent(self._of(state), self._asked(place))
        after = self._with(state, forgotten(shared, self._machine[place].worker))
        after = self._put(after, slot, self._machine.step(place, Raised("away")) + 1)
        return Move(after - (1 << self._layout.lost_answers), "", "lost", (slot,))

    def _crashes(self, state: int, slot: int) -> Iterator[Move]:
        place = self._place(state, slot)
        process, shared = self._machine[place], self._of(state)
        reborn = self._story.reborn.get(process.program)
        after = self._put(state, slot, self._machine.start(reborn) + 1 if reborn else _DEAD)
        after = (after & ~self._layout.saw[slot]) - (1 << self._layout.crashes)
        key = state & _SHARED, process.worker
        if key not in self._forgotten:
            self._forgotten[key] = self._number(forgotten(shared, process.worker))
        yield Move(after & ~_SHARED | self._forgotten[key], "", "killed", (slot,))
        if process.question is not None and process.question.name == "set_alias":
            flying = forgotten(sent(shared, process.question.about), process.worker)
            yield Move(self._with(after, flying), "", "killed writing", (slot,))

    def _late_write(self, state: int, number: int, version: int) -> Move:
        after = self._with(state, landed(self._of(state), number, version))
        return Move(after & ~self._layout.all_saw, "", "lands", (version,))

    def _choice(self, state: int, bit: int, version: int) -> Move:
        clear = version not in self._may_be_ours(state)
        before = self._of(state)
        shared = before._replace(
            alias=version, chosen=version if clear else None, moves=(*before.moves, version)
        )
        after = self._with(state, shared) & ~self._layout.all_saw & ~bit
        return Move(after, "", "a person", (version,))

    def _may_be_ours(self, state: int) -> set[int]:
        """Versions that the alias may show now by our own doing: nobody could tell a person's move apart."""
        shared = self._of(state)
        waiting = shared.ledger[max(shared.announced - 1, 0) :]
        ours = {self._entries[number].version for number in waiting}
        ours |= {record.version for record in shared.records}
        for slot in range(len(self._story.processes)):
            place = self._place(state, slot)
            question = None if place < 0 else self._machine[place].question
            if question is not None and question.name == "open_record":
                ours.add(question.about[0])
        return ours

    def _asked(self, place: int) -> Any:
        question = self._machine[place].question
        return None if question is None else question.about

    def _told(self, state: int, move: Move) -> str:
        """Say a move for a reader."""
        if move.kind == "lands":
            return f"a late write lands: set_alias {move.about[0]}"
        if move.kind == "a person":
            return f"a person sets the alias to {move.about[0]}"
        doing = self._doing(self._place(state, move.about[0]))
        if move.kind == "goes on":
            said = dict(self._going(state))[move.about[0]].said
            return f"{doing} → {said}" if said else doing
        return _SAID[move.kind].format(doing)

    def _doing(self, place: int) -> str:
        state = self._machine[place]
        about = self._asked(place)
        question = state.question.name if state.question else "the end"
        return f"{state.program}: {question}{'' if about is None else f' {about}'}"

    def _found(self, quiet: int, wrong: str, state: int, *last: str) -> Found:
        trace: list[str] = []
        while (before := self._came[state]) != state:
            moves = self._moves(before, self._going(before))
            trace.append(self._told(before, next(move for move in moves if move.to == state)))
            state = before
        return Found(len(self._came), quiet, wrong, (*reversed(trace), *last))


_SAID: Final = {
    "lost": "{} … no answer",
    "killed": "killed before {}",
    "killed writing": "killed, still on its way: {}",
}


def _undone(version: int) -> str:
    return f"a person's choice of version {version} was undone in silence"
