"""Bringing one replica to the champion: look, ask it to reload, look again; a few times, for a while."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

from domain.convergence import Problem, Replica, ReplicaObservation, RolloutTarget
from domain.points import Point, Points
from domain.ports.clock import Clock
from domain.ports.inference_servers import InferenceServers
from service.runtime.retry import RetryPolicy

_POLL_SECONDS: Final = 5.0  # /info loads nothing
# Asking again cannot help before somebody fixes something.
_HOPELESS: Final = frozenset({"unauthorized", "unresolved"})


_PAUSES: Final = RetryPolicy(first_pause=0.25, longest_pause=4.0)


@dataclass(frozen=True)
class ReloadBudget:
    """How long one replica is pursued in all, how often it is asked, and the pauses between."""

    seconds: float = 20.0
    tries: int = 5
    pauses: RetryPolicy = _PAUSES


class ReplicaReloader:
    """Asks replicas. Nothing here remembers anything: every call begins with a look."""

    def __init__(self, servers: InferenceServers, clock: Clock, points: Points, budget: ReloadBudget) -> None:
        self._servers = servers
        self._clock = clock
        self._points = points
        self._budget = budget

    async def look(self, replica: Replica) -> ReplicaObservation:
        """Ask what a replica serves."""
        return await self._servers.look(replica, seconds=min(_POLL_SECONDS, self._budget.seconds))

    async def overrule(
        self, replica: Replica, wanted: RolloutTarget, seen: ReplicaObservation
    ) -> ReplicaObservation:
        """Tell a replica that says a later generation which one it is: it may only have read a tag that lies.

        One that heard of a later promotion refuses, and goes on with it.
        """
        return await self._ask(replica, wanted, seen, self._clock.monotonic() + self._budget.seconds)

    async def bring(
        self, replica: Replica, wanted: RolloutTarget, *, still_wanted: Callable[[], bool], once: bool = False
    ) -> ReplicaObservation:
        """Ask until the replica serves it; return what was seen last, with the reason if it does not.

        Ends early when something else is wanted meanwhile. With `once` it is tried a single time.
        """
        until = self._clock.monotonic() + self._budget.seconds
        tries = 1 if once else self._budget.tries
        observation = ReplicaObservation(problem=Problem(reason="no_answer", detail="it was not asked"))
        for pause in islice(chain([0.0], self._budget.pauses.pauses()), tries):
            if pause >= until - self._clock.monotonic():
                break
            await self._clock.sleep(pause)
            if not still_wanted():
                break
            observation = await self._try(replica, wanted, until)
            if observation.serves(wanted) or _is_final(observation, wanted):
                break
        return observation

    async def _try(self, replica: Replica, wanted: RolloutTarget, until: float) -> ReplicaObservation:
        before = await self._look(replica, until)
        if before.serves(wanted) or _is_final(before, wanted) or not before.answered:
            return before
        return await self._ask(replica, wanted, before, until)

    async def _ask(
        self, replica: Replica, wanted: RolloutTarget, before: ReplicaObservation, until: float
    ) -> ReplicaObservation:
        await self._points.at(Point.RELOAD_BEFORE_POST)
        problem = await self._servers.reload(
            replica, wanted.generation, wanted.version, seconds=self._left(until)
        )
        await self._points.at(Point.RELOAD_AFTER_POST)
        if problem is not None and problem.reason in {"no_answer", "unreachable"}:
            return ReplicaObservation(served=before.served, problem=problem)
        await self._points.at(Point.RELOAD_BEFORE_CONFIRM)
        after = await self._look(replica, until)
        return (
            after
            if after.serves(wanted) or problem is None
            else ReplicaObservation(served=after.served, problem=problem)
        )

    async def _look(self, replica: Replica, until: float) -> ReplicaObservation:
        return await self._servers.look(replica, seconds=min(_POLL_SECONDS, self._left(until)))

    def _left(self, until: float) -> float:
        return max(0.1, until - self._clock.monotonic())


def _is_final(observation: ReplicaObservation, wanted: RolloutTarget) -> bool:
    hopeless = observation.problem is not None and observation.problem.reason in _HOPELESS
    return hopeless or observation.is_ahead_of(wanted)
