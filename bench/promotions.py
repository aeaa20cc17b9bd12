"""Laurel beside the bare script: the same trainings, one of each in turn."""

import asyncio
from dataclasses import dataclass, field
from statistics import median

from bench.footprint import Restart, measure_restart
from bench.notes import Note, first
from bench.processes import NotingWorker, Script
from bench.wire import Heard, Wire

_WARM_UPS = 2
_NO_SUCH_VERSION = 99_999


@dataclass
class Races:
    """Seconds of each training, in pairs; and each of Laurel's promotions with its notes."""

    laurel: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)  # milliseconds from an event to the first step
    promotions: list[tuple[Heard, list[Note]]] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The median of the pairs' ratios."""
        return median(ours / theirs for ours, theirs in zip(self.laurel, self.bare, strict=True))

    def typical(self) -> tuple[Heard, list[Note]]:
        """The promotion of median length."""
        ordered = sorted(self.promotions, key=lambda one: one[0].seconds)
        return ordered[len(ordered) // 2]


class Course:
    """One worker and one script, each with a stage of its own; `number` counts deliveries and models."""

    def __init__(self, wire: Wire, worker: NotingWorker, bare: Script) -> None:
        self._wire = wire
        self._worker = worker
        self._bare = bare
        self._number = 0

    async def race(self, pairs: int, cold: int) -> Races:
        """Run pairs of trainings, the first of each pair in turn; and some trainings in new processes."""
        races = Races()
        for pair in range(-_WARM_UPS, pairs):
            self._number += 1
            order = [self._laurel, self._in_bare] if pair % 2 else [self._in_bare, self._laurel]
            for run in order:
                await run(races if pair >= 0 else Races())
        for _ in range(cold):
            self._number += 1
            self._bare.stage.deliver(self._number)
            races.cold.append((await asyncio.to_thread(self._bare.train_cold, self._number)).seconds)
        return races

    async def waits(self, count: int) -> list[float]:
        """Milliseconds from event to first step, of requests that are rejected in that step."""
        found = []
        for _ in range(count):
            self._worker.notes.new()
            heard = await self._wire.ask(self._worker.model_name, _NO_SUCH_VERSION)
            found.append(_wait_of(heard, self._worker.notes.new()))
        return found

    async def first_wait(self) -> float:
        """Milliseconds from event to first step, of the first request to a worker that was just started."""
        self._number += 1
        self._worker.notes.new()
        return _wait_of(await self._promoted(), self._worker.notes.new())

    async def killed(self) -> Restart:
        """Kill the worker in the middle of a run, and start it again."""
        self._number += 2
        return await measure_restart(self._wire, self._worker, self._number - 1)

    async def _promoted(self) -> Heard:
        self._worker.stage.deliver(self._number)
        heard = await self._wire.ask(self._worker.model_name, self._number)
        if heard.topic != "model.promoted":
            raise SystemExit(f"a candidate was not promoted: {heard.topic} {heard.data}")
        return heard

    async def _laurel(self, races: Races) -> None:
        self._worker.notes.new()
        heard = await self._promoted()
        notes = self._worker.notes.new()
        races.laurel.append(heard.seconds)
        races.waits.append(_wait_of(heard, notes))
        races.promotions.append((heard, [note for note in notes if heard.sent <= note.began <= heard.heard]))
        await self._worker.at_rest()

    async def _in_bare(self, races: Races) -> None:
        self._bare.stage.deliver(self._number)
        races.bare.append((await asyncio.to_thread(self._bare.train, self._number)).seconds)


def _wait_of(heard: Heard, notes: list[Note]) -> float:
    began = first([note for note in notes if note.began > heard.sent], "resolve.before_effect")
    if began is None:
        raise SystemExit("a request was answered before its first step began")
    return (began.began - heard.sent) / 1e6
