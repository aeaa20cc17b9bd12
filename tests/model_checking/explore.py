"""The search: every order of every step, with crashes, lost answers and a person at the registry."""

import gc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from tests.model_checking.local_states import Machine, Start
from tests.model_checking.promises import wrong_at_rest
from tests.model_checking.shared import Answer, Entries, Raised, Shared, answer, sent, written

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

    `saw` tells of each process if it read the alias while a person's choice stood there.
    """

    shared: Shared
    places: tuple[int, ...]
    saw: tuple[bool, ...]
    crashes: int
    lost_answers: int
    choices: tuple[int, ...]


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


def search(story: Story, limit: int = 1_000_000) -> Found:
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
        self._judged: dict[Shared, str] = {}
        self._answers: dict[tuple[int, Shared], Answer] = {}
        self._came: dict[Point, tuple[Point, Callable[[], str]] | None] = {}

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
        unseeing = (False,) * len(places)
        return Point(story.before, places, unseeing, story.crashes, story.lost_answers, story.choices)

    def _is_quiet(self, point: Point) -> bool:
        if point.shared.on_the_way:
            return False
        return all(place == DEAD or self._machine[place].question is None for place in point.places)

    def _judge(self, shared: Shared) -> str:
        """Let a reconciler look, alone and undisturbed, and say what is then still wrong."""
        if shared not in self._judged:
            self._judged[shared] = self._look_and_judge(shared)
        return self._judged[shared]

    def _look_and_judge(self, shared: Shared) -> str:
        if self._story.reconciler is not None:
            place = self._machine.start(self._story.reconciler)
            while (question := self._machine[place].question) is not None:
                given = answer(shared, question, self._entries)
                if given.wrong or (question.name == "set_alias" and shared.chosen is not None):
                    return given.wrong or _undone(shared)
                place, shared = self._machine.step(place, given.given), given.shared
        return next(wrong_at_rest(shared, self._entries), "")

    def _moves(self, point: Point) -> Iterator[Move]:
        for slot, place in enumerate(point.places):
            if place != DEAD and self._machine[place].question is not None:
                yield from self._steps(point, slot, place)
                if point.crashes:
                    yield from self._crashes(point, slot, place)
        for version in set(point.shared.on_the_way):
            yield self._late_write(point, version)
        for version in point.choices:
            if version != point.shared.alias:
                yield self._choice(point, version)

    def _steps(self, point: Point, slot: int, place: int) -> Iterator[Move]:
        question = self._machine[place].question
        assert question is not None
        shared, saw, given = point.shared, point.saw, self._answer(place, point.shared)
        wrong = given.wrong
        if question.name == "read_alias":
            saw = _put(saw, slot, shared.chosen is not None)
        if question.name == "set_alias":
            wrong = _undone(shared) if shared.chosen is not None and saw[slot] else wrong
            if point.lost_answers:
                yield self._lost(point, slot, place)
        if given.shared.chosen is None:
            saw = (False,) * len(saw)
        places = _put(point.places, slot, self._machine.step(place, given.given))
        after = point._replace(shared=given.shared, places=places, saw=saw)
        yield Move(lambda: self._said(place, given), after, wrong)

    def _answer(self, place: int, shared: Shared) -> Answer:
        key = place, shared
        if key not in self._answers:
            question = self._machine[place].question
            assert question is not None
            self._answers[key] = answer(shared, question, self._entries)
        return self._answers[key]

    def _lost(self, point: Point, slot: int, place: int) -> Move:
        """The process hears nothing and goes on; its write lands some time later."""
        after = point._replace(
            shared=sent(point.shared, self._asked(place)),
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
        yield Move(lambda: f"killed before {self._doing(place)}", after)
        if state.question is not None and state.question.name == "set_alias":
            shared = sent(point.shared, state.question.about)
            yield Move(
                lambda: f"killed, still on its way: {self._doing(place)}", after._replace(shared=shared)
            )

    def _late_write(self, point: Point, version: int) -> Move:
        left = list(point.shared.on_the_way)
        left.remove(version)
        shared = written(point.shared, version)._replace(on_the_way=tuple(left))
        after = point._replace(shared=shared, saw=(False,) * len(point.saw))
        return Move(lambda: f"a late write lands: set_alias {version}", after)

    def _choice(self, point: Point, version: int) -> Move:
        clear = version not in self._may_be_ours(point)
        shared = point.shared._replace(
            alias=version, chosen=version if clear else None, moves=(*point.shared.moves, version)
        )
        after = point._replace(
            shared=shared,
            choices=tuple(one for one in point.choices if one != version),
            saw=(False,) * len(point.saw),
        )
        return Move(lambda: f"a person sets the alias to {version}", after)

    def _may_be_ours(self, point: Point) -> set[int]:
        """Versions that the alias may show now by our own doing: nobody could tell a person's move apart."""
        shared = point.shared
        waiting = shared.ledger[max(shared.announced - 1, 0) :]
        ours = {self._entries[number].version for number in waiting} | {*shared.on_the_way}
        for place in point.places:
            question = None if place == DEAD else self._machine[place].question
            if question is not None and question.name == "set_alias":
                ours.add(question.about)
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

    def _said(self, place: int, given: Answer) -> str:
        said = given.note or ("" if given.given is None else f"{given.given}")
        return f"{self._doing(place)} → {said}" if said else self._doing(place)

    def _found(self, quiet: int, wrong: str, point: Point, *last: str) -> Found:
        trace: list[str] = []
        while (step := self._came[point]) is not None:
            point, label = step
            trace.append(label())
        return Found(len(self._came), quiet, wrong, (*reversed(trace), *last))


def _undone(shared: Shared) -> str:
    return f"a person's choice of version {shared.chosen} was undone in silence"


def _put(values: tuple[T, ...], slot: int, value: T) -> tuple[T, ...]:
    return (*values[:slot], value, *values[slot + 1 :])
