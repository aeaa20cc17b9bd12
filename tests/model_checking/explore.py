"""The search: every order of every step, with crashes, lost answers and a person at the registry."""

import gc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from tests.model_checking.local_states import Machine, Start
from tests.model_checking.promises import wrong_at_rest
from tests.model_checking.shared import Entries, Raised, Shared, answer, forgotten, landed, sent

DEAD = -1
T = TypeVar("T")


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


class Point(NamedTuple):
    """One state of the whole: what is shared, where each process stands, what may still go wrong.

    `shared` is the number of a `Shared`; `saw` tells of each process if it has done anything while a person's
    choice stands there: only a write that was decided on before may undo one.
    """

    shared: int
    places: tuple[int, ...]
    saw: tuple[bool, ...]
    crashes: int
    lost_answers: int
    choices: tuple[int, ...]


class Step(NamedTuple):
    """What one question does, whoever else is where.

    `writes` is true for a write of the alias; `chosen` is a person's choice before, and `choice_stands` tells
    whether there is one after.
    """

    given: Any
    shared: int
    place: int
    note: str
    wrong: str
    writes: bool
    chosen: int | None
    choice_stands: bool


class Move(NamedTuple):
    """One step to another state; `label` says it for a reader of the trace."""

    label: Callable[[], str]
    to: Point
    wrong: str = ""


@dataclass(frozen=True)
class Found:
    """What a search found: how many states there are, and the shortest way to a broken promise."""

    states: int
    quiet: int
    wrong: str = ""
    trace: tuple[str, ...] = ()


def search(story: Story, limit: int = 10_000_000) -> Found:
    """Visit every state, breadth first, so that the first broken promise has the shortest way.

    Raises OverflowError beyond `limit` states: a search that was cut off proves nothing.
    """
    gc.disable()  # millions of small tuples, none of them in a cycle
    try:
        return _Search(story).run(limit)
    finally:
        gc.enable()


class _Search:
    def __init__(self, story: Story) -> None:
        self._story = story
        self._entries = story.entries
        self._machine = Machine(story.programs, story.entries)
        self._shared: list[Shared] = []
        self._numbers: dict[Shared, int] = {}
        self._judged: dict[int, str] = {}
        self._steps: dict[tuple[int, int], Step] = {}
        self._came: dict[Point, tuple[Point, Callable[[], str]] | None] = {}
        self._unseeing = (False,) * len(story.processes)

    def run(self, limit: int) -> Found:
        frontier, quiet = [self._first()], 0
        self._came[frontier[0]] = None
        while frontier:
            ahead: list[Point] = []
            for point in frontier:
                if self._is_quiet(point):
                    quiet += 1
                    if wrong := self._judge(point.shared):
                        return self._found(quiet, wrong, point)
                for move in self._moves(point):
                    if move.wrong:
                        return self._found(quiet, move.wrong, point, move.label())
                    if move.to not in self._came:
                        self._came[move.to] = point, move.label
                        ahead.append(move.to)
            if len(self._came) > limit:
                raise OverflowError(f"{self._story.name}: more than {limit} states")
            frontier = ahead
        return Found(len(self._came), quiet)

    def _first(self) -> Point:
        story = self._story
        places = tuple(self._machine.start(name) for name in story.processes)
        before = self._number(story.before)
        return Point(before, places, self._unseeing, story.crashes, story.lost_answers, story.choices)

    def _number(self, shared: Shared) -> int:
        """Equal values have one number: it is cheap to hash."""
        number = self._numbers.setdefault(shared, len(self._shared))
        if number == len(self._shared):
            self._shared.append(shared)
        return number

    def _is_quiet(self, point: Point) -> bool:
        if self._shared[point.shared].on_the_way:
            return False
        return not any(self._asks(place) for place in point.places)

    def _asks(self, place: int) -> bool:
        return place != DEAD and self._machine[place].question is not None

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

    def _moves(self, point: Point) -> Iterator[Move]:
        for slot, place in enumerate(point.places):
            if self._asks(place):
                yield from self._goes_on(point, slot, place)
                if point.crashes:
                    yield from self._crashes(point, slot, place)
        shared = self._shared[point.shared]
        for number, version in shared.on_the_way:
            yield self._late_write(point, number, version)
        for version in point.choices:
            if version != shared.alias:
                yield self._choice(point, version)

    def _goes_on(self, point: Point, slot: int, place: int) -> Iterator[Move]:
        step, saw = self._step(place, point.shared), point.saw
        wrong = step.wrong
        if not step.writes:
            if saw[slot] is not (step.chosen is not None):
                saw = _put(saw, slot, step.chosen is not None)
        else:
            wrong = _undone(step.chosen) if step.chosen is not None and saw[slot] else wrong
            if point.lost_answers:
                yield self._lost(point, slot, place)
        if not step.choice_stands:
            saw = self._unseeing
        places = _put(point.places, slot, step.place)
        # Called a million times: `_replace` takes twice the time.
        after = Point(step.shared, places, saw, point.crashes, point.lost_answers, point.choices)
        yield Move(lambda: self._said(place, step), after, wrong)

    def _step(self, place: int, number: int) -> Step:
        key = place, number
        if (known := self._steps.get(key)) is not None:
            return known
        state, shared = self._machine[place], self._shared[number]
        assert state.question is not None
        given = answer(shared, state.question, self._entries)
        step = self._steps[key] = Step(
            given.given,
            self._number(given.shared),
            self._machine.step(place, given.given),
            given.note,
            given.wrong,
            writes=state.question.name == "set_alias",
            chosen=shared.chosen,
            choice_stands=given.shared.chosen is not None,
        )
        return step

    def _lost(self, point: Point, slot: int, place: int) -> Move:
        """The process hears nothing and goes on; its write lands some time later."""
        shared = sent(self._shared[point.shared], self._asked(place))
        after = point._replace(
            shared=self._number(forgotten(shared, self._machine[place].worker)),
            places=_put(point.places, slot, self._machine.step(place, Raised("away"))),
            lost_answers=point.lost_answers - 1,
        )
        return Move(lambda: f"{self._doing(place)} … no answer", after)

    def _crashes(self, point: Point, slot: int, place: int) -> Iterator[Move]:
        state = self._machine[place]
        reborn = self._story.reborn.get(state.program)
        places = _put(point.places, slot, self._machine.start(reborn) if reborn else DEAD)
        after = point._replace(
            places=places, saw=_put(point.saw, slot, value=False), crashes=point.crashes - 1
        )
        shared = self._shared[point.shared]
        dead = after._replace(shared=self._number(forgotten(shared, state.worker)))
        yield Move(lambda: f"killed before {self._doing(place)}", dead)
        if state.question is not None and state.question.name == "set_alias":
            flying = self._number(forgotten(sent(shared, state.question.about), state.worker))
            yield Move(
                lambda: f"killed, still on its way: {self._doing(place)}", after._replace(shared=flying)
            )

    def _late_write(self, point: Point, number: int, version: int) -> Move:
        shared = landed(self._shared[point.shared], number, version)
        after = point._replace(shared=self._number(shared), saw=self._unseeing)
        return Move(lambda: f"a late write lands: set_alias {version}", after)

    def _choice(self, point: Point, version: int) -> Move:
        clear = version not in self._may_be_ours(point)
        before = self._shared[point.shared]
        shared = before._replace(
            alias=version, chosen=version if clear else None, moves=(*before.moves, version)
        )
        after = point._replace(
            shared=self._number(shared),
            choices=tuple(one for one in point.choices if one != version),
            saw=self._unseeing,
        )
        return Move(lambda: f"a person sets the alias to {version}", after)

    def _may_be_ours(self, point: Point) -> set[int]:
        """Versions that the alias may show now by our own doing: nobody could tell a person's move apart."""
        shared = self._shared[point.shared]
        waiting = shared.ledger[max(shared.announced - 1, 0) :]
        ours = {self._entries[number].version for number in waiting}
        ours |= {record.version for record in shared.records}
        for place in point.places:
            question = None if place == DEAD else self._machine[place].question
            if question is not None and question.name == "open_record":
                ours.add(question.about[0])
        return ours

    def _asked(self, place: int) -> Any:
        question = self._machine[place].question
        return None if question is None else question.about

    def _doing(self, place: int) -> str:
        state = self._machine[place]
        about = self._asked(place)
        question = state.question.name if state.question else "the end"
        return f"{state.program}: {question}{'' if about is None else f' {about}'}"

    def _said(self, place: int, step: Step) -> str:
        said = step.note or ("" if step.given is None else f"{step.given}")
        return f"{self._doing(place)} → {said}" if said else self._doing(place)

    def _found(self, quiet: int, wrong: str, point: Point, *last: str) -> Found:
        trace: list[str] = []
        while (step := self._came[point]) is not None:
            point, label = step
            trace.append(label())
        return Found(len(self._came), quiet, wrong, (*reversed(trace), *last))


def _undone(version: int) -> str:
    return f"a person's choice of version {version} was undone in silence"


def _put(values: tuple[T, ...], slot: int, value: T) -> tuple[T, ...]:
    return (*values[:slot], value, *values[slot + 1 :])
