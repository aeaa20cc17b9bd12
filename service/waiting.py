"""How one run waits: every call is made patiently, and whoever looks on, or reads the log, sees for what."""

import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import ParamSpec, TypeVar

import structlog

from domain.errors import TryLater
from domain.lifecycle import Step
from domain.points import Point
from domain.run import Run
from domain.values import Value
from service.patience import Notice, RetryPolicy, failure_of, patiently
from service.told_waits import ToldWaits
from service.world import World

T = TypeVar("T")
P = ParamSpec("P")
log = structlog.get_logger()


class Waiting:
    """Makes calls again while a service is away, and notes the wait in the run's row and in the metrics."""

    def __init__(self, run: Run, world: World, retry: RetryPolicy) -> None:
        self._run = run
        self._world = world
        self._retry = retry
        self._waiting_on: set[str] = set()
        self._told = ToldWaits(world.clock)

    async def patiently(self, doing: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Make a call within the run's budget."""
        return await patiently(
            partial(doing, *args, **kwargs), self._retry, self._world.clock, self._notice()
        )

    async def step(
        self, step: Step, doing: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Make the call that is a step's effect within the run's budget."""
        return await self._around(step, self._retry, partial(doing, *args, **kwargs))

    async def endless_step(self, step: Step, doing: Callable[[], Awaitable[T]]) -> T:
        """Make the call that is a step's effect, however long it takes."""
        return await self._around(step, replace(self._retry, budget=math.inf), doing)

    async def keep(self, name: str, value: Value) -> None:
        """Keep what was done; a store that is away may not cost a fit, the lease says for how long."""
        await self.patiently(self._world.store.keep, self._run, name, value.model_dump(mode="json"))

    def over(self) -> None:
        """Say that the run waits for nothing any more."""
        self._show(None)
        self._told.all_over()

    async def _around(self, step: Step, retry: RetryPolicy, doing: Callable[[], Awaitable[T]]) -> T:
        await self._world.points.at(Point(f"{step}.before_effect"))
        result = await patiently(doing, retry, self._world.clock, self._notice())
        await self._world.points.at(Point(f"{step}.after_effect"))
        return result

    def _notice(self) -> Notice:
        """What is told of one call's tries; calls of a run go side by side."""
        services: set[str] = set()

        async def notice(error: TryLater | None) -> None:
            if error is None:
                self._told.over(services)
            else:
                services.add(str(error.waiting_on))
                self._told.waits(error)
            await self._note(error)

        return notice

    async def _note(self, error: TryLater | None) -> None:
        failure = None if error is None else failure_of(error)
        waiting_on = None if error is None else error.waiting_on
        self._show(waiting_on)
        try:
            await self._world.store.note_waiting(self._run, failure, waiting_on=waiting_on)
        except TryLater as unseen:  # nobody sees the wait then, but what is being done goes on
            log.warning("waiting_unseen", waiting_on=waiting_on, message=unseen.message)

    def _show(self, service: str | None) -> None:
        """Tell Prometheus which services this run waits for; None: for nothing any more."""
        for known in self._waiting_on if service is None else {service}:
            self._world.metrics.set("laurel_waiting", float(service is not None), service=known)
        self._waiting_on = set() if service is None else self._waiting_on | {service}
