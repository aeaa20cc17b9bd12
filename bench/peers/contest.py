"""Everybody trains the same version of the model, one after the other, each in a stage of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from bench.flights import Stage
from bench.processes import Answer
from bench.steps.order import STEPS, Place

BARE: Final = "bare script"
LAUREL: Final = "Laurel"
_WARM_UPS: Final = 1
_SAME: Final = 1e-12


@dataclass(frozen=True)
class Rival:
    """One way to train. In `place` each step notes that it ended; Laurel has steps of its own."""

    title: str
    stage: Stage
    train: Callable[[int], Awaitable[Answer]]
    place: Place | None = None
    rest: Callable[[], Awaitable[None]] | None = None


@dataclass
class Rounds:
    """Seconds of each rival, a number for each round."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, other: "Rounds") -> None:
        """Go on with what another run has measured; both have the same rivals."""
        if self.seconds and self.seconds.keys() != other.seconds.keys():
            raise SystemExit("rounds can only be added to rounds with the same rivals")
        for title, seconds in other.seconds.items():
            self.seconds.setdefault(title, []).extend(seconds)

    def ratio(self, title: str, to: str = BARE) -> float:
        """The median of the rounds' ratios."""
        pairs = zip(self.seconds[title], self.seconds[to], strict=True)
        return median(ours / theirs for ours, theirs in pairs)


async def contest(rivals: Sequence[Rival], rounds: int, say: Callable[[str], None]) -> Rounds:
    """Warm up, then one training of each in every round; each round begins with the next one of them."""
    measured = Rounds({rival.title: [] for rival in rivals})
    for number in range(_WARM_UPS + rounds):
        counts = number >= _WARM_UPS
        say(f"round {number - _WARM_UPS + 1} of {rounds}" if counts else "warm-up")
        for title, seconds in (await _round(_turned(rivals, number), number + 1, say)).items():
            if counts:
                measured.seconds[title].append(seconds)
    return measured


def _turned(rivals: Sequence[Rival], number: int) -> list[Rival]:
    first = number % len(rivals)
    return [*rivals[first:], *rivals[:first]]


async def _round(rivals: Sequence[Rival], version: int, say: Callable[[str], None]) -> dict[str, float]:
    answers = {}
    for rival in rivals:
        before = len(rival.place.done()) if rival.place else 0
        await asyncio.to_thread(rival.stage.deliver, version)
        answers[rival.title] = await rival.train(version)
        say(f"  {rival.title}: {answers[rival.title].seconds:.1f} s")
        if rival.rest:
            await rival.rest()
        if rival.place:
            require_all_steps(rival.title, rival.place.done()[before:])
    require_same_error({title: answer.error for title, answer in answers.items()})
    return {title: answer.seconds for title, answer in answers.items()}


def require_all_steps(title: str, done: Sequence[str]) -> None:
    """Whoever leaves out a step, or takes one twice, has no time worth telling."""
    if (expected := [step.name for step in STEPS]) != list(done):
        raise SystemExit(f"{title} took the steps {', '.join(done)}, not {', '.join(expected)}")


def require_same_error(errors: dict[str, float]) -> None:
    """Nor has who trains another model."""
    others = [f"{title}: {error!r}" for title, error in errors.items() if not _same(error, errors[BARE])]
    if others:
        raise SystemExit(f"not the error of the bare script's model, {errors[BARE]!r}: {', '.join(others)}")


def _same(one: float, other: float) -> bool:
    return abs(one - other) <= _SAME


def in_order(rounds: Rounds) -> Iterator[str]:
    """The quickest first."""
    yield from sorted(rounds.seconds, key=lambda title: median(rounds.seconds[title]))
