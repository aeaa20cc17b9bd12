"""Any history of deliveries, kills, stops, lost answers and waits leaves a world that the oracle accepts."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.strategies import integers, sampled_from

from tests.chaos.figures import FIGURES
from tests.chaos.report import ROUNDS
from tests.chaos.small_world import CREATING, SmallWorld
from tests.oracle.check import check
from tests.oracle.facts import Kind, Violation

WORKERS = sampled_from(["a", "b"])


class Lives(RuleBasedStateMachine):
    """Rules do what the world does; after each, and at the end, the oracle is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.world = self._do(_a_small_world())

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    @initialize(model_version=integers(1, 6))
    def first(self, model_version: int) -> None:
        """Nothing is interesting without a request."""
        self.ask(model_version)

    @rule(model_version=integers(-1, 6))
    def ask(self, model_version: int) -> None:
        """A request with an id of its own; -1 is one that cannot be read, 0 one that is rejected."""
        value = b"{" if model_version < 0 else f'{{"model_version": {model_version}}}'.encode()
        event_id = f"e{len(self.world.topic)}" if model_version > 0 else None
        self._do(self.world.put(value, event_id, Kind.BAD if model_version < 0 else Kind.VALID))

    @rule(place=integers(0, 1000))
    def deliver_again(self, place: int) -> None:
        """A record is redelivered: its commit was lost."""
        self._do(self.world.deliver(place % len(self.world.topic)))

    @rule(turns=integers(1, 250))
    def work(self, turns: int) -> None:
        """Whoever is idle claims a run, reconcilers look, and all go on for a while."""
        self._do(_now(self._set_to_work))
        self._do(_turns(turns))

    def _set_to_work(self) -> None:
        for life in self.world.lives.values():
            life.carry()
            life.look()

    @rule(turns=integers(1, 30))
    def go_on(self, turns: int) -> None:
        """Whoever can go on does, a little."""
        self._do(_turns(turns))

    @rule(seconds=sampled_from([0.5, 3.0, 31.0, 100.0]))
    def let_time_pass(self, seconds: float) -> None:
        """Waits end, leases run out."""
        self._do(self.world.stage.clock.advance(seconds))

    @rule(name=WORKERS)
    def kill(self, name: str) -> None:
        """SIGKILL, and a start under the same name: its leases are its own again."""
        self._do(_now(lambda: self.world.kill(name)))
        self._do(self.world.stage.store.release_all(name))

    @rule(name=WORKERS, seconds=sampled_from([0.5, 31.0]), turns=integers(1, 120))
    def sleep(self, name: str, seconds: float, turns: int) -> None:
        """SIGSTOP, perhaps for longer than its lease, while the other works, and SIGCONT."""
        wire = self.world.lives[name].wire
        self._do(_now(wire.stop))
        self.work(turns)
        self.let_time_pass(seconds)
        self.work(turns)
        self._do(_now(wire.wake))

    @rule(name=sampled_from(CREATING))
    def lose_an_answer(self, name: str) -> None:
        """The next call of this name is done, and its caller hears that it may not have been."""
        self.world.lost.append(name)

    @rule(name=WORKERS)
    def step_back(self, name: str) -> None:
        """A person rolls back, whatever goes on."""
        self._do(_now(lambda: self.world.step_back(name)))

    @rule(name=WORKERS)
    def hold(self, name: str) -> None:
        """A person holds promotions, or releases them, whatever goes on."""
        self._do(_now(lambda: self.world.hold(name)))

    @rule()
    def relay(self) -> None:
        """What is in the outbox is sent."""
        if any(not row.sent for row in self.world.stage.memory.outbox):
            self._do(self.world.relay.turn())

    @invariant()
    def all_promises_that_always_hold_are_kept(self) -> None:
        """The oracle's left column."""
        found = check(self.world.seen(), at_rest=False)
        assert not found, _said(found)

    def teardown(self) -> None:
        """Heal everything, let the workers go on until nothing is left to do, and ask for everything."""
        try:
            self.world.lost.clear()
            for _ in range(60):
                if self.world.is_quiet() and not check(self.world.seen(), at_rest=True):
                    break
                self.work(100)
                self.let_time_pass(31.0)
                self.relay()
            found = check(self.world.seen(), at_rest=True)
            assert not found, _said(found)
            FIGURES.add("state machine: histories")
        finally:
            self._do(self.world.end())
            self.loop.close()


async def _a_small_world() -> SmallWorld:
    return SmallWorld()


async def _now(do: Callable[[], None]) -> None:
    do()


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def _said(found: list[Violation]) -> str:
    return "\n".join(f"{one.invariant} {one.about}: {one.message}" for one in found)


class ManyLives(Lives):
    """Other histories each time."""


TestLives = Lives.TestCase
TestLives.settings = settings(
    max_examples=15,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestManyLives = pytest.mark.soak(ManyLives.TestCase)
TestManyLives.settings = settings(
    TestLives.settings, max_examples=100 * ROUNDS, derandomize=False, print_blob=True
)
