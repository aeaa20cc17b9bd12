"""Everybody trains the same version of the model, one after the other, each in a stage of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from bench.flights import Stage
from bench.processes import Answer
from bench.steps.order import STEPS, Place

BARE: Final = "bare script"
LAUREL: Final = "Laurel"
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
    """Seconds of each rival, a number for each round; and the machine's load as each round began."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    loads: list[float] = field(default_factory=list)

    def add(self, seconds: Mapping[str, float], load: float) -> None:
        """One round more, of the same rivals."""
        if self.seconds and self.seconds.keys() != seconds.keys():
            raise SystemExit("rounds can only be added to rounds with the same rivals")
        for title, one in seconds.items():
            self.seconds.setdefault(title, []).append(one)
        self.loads.append(load)

    def ratio(self, title: str, to: str = BARE) -> float:
        """The median of the rounds' ratios."""
        pairs = zip(self.seconds[title], self.seconds[to], strict=True)
        return median(ours / theirs for ours, theirs in pairs)


async def contest(
    rivals: Sequence[Rival], count: int, say: Callable[[str], None]
) -> AsyncIterator[dict[str, float]]:
    """Warm up, then one training of each in every round; each round begins with the next one of them."""
    for number in range(-1, count):
        say(f"round {number + 1} of {count}" if number >= 0 else "warm-up")
        first = number % len(rivals)
        in_turn = [*rivals[first:], *rivals[:first]]
        answers = {rival.title: await _trained(rival, number + 2, say) for rival in in_turn}
        require_same_error({title: answer.error for title, answer in answers.items()})
        if number >= 0:
            yield {rival.title: answers[rival.title].seconds for rival in rivals}


async def _trained(rival: Rival, version: int, say: Callable[[str], None]) -> Answer:
    before = len(rival.place.done()) if rival.place else 0
    await asyncio.to_thread(rival.stage.deliver, version)
    answer = await rival.train(version)
    say(f"  {rival.title}: {answer.seconds:.1f} s")
    if rival.rest:
        await rival.rest()
    if rival.place:
        require_all_steps(rival.title, rival.place.done()[before:])
    return answer


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
