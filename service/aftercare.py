"""What is done for runs behind their end, when the worker has nothing else in hand."""

import asyncio

import structlog

from domain.errors import LaurelError, TryLater
from domain.lifecycle import Step
from domain.models import OpenedRun
from domain.run import Run
from service.heavy.pictures import Draw, Pictures
from service.retention import Retention
from service.steps.outputs import Trained
from service.world import World

log = structlog.get_logger()

PICTURES_CHORE = "pictures"
_PAUSE_SECONDS = 15.0  # between two looks when no run has ended here


class Aftercare:
    """Draws the pictures of ended runs, then clears up. A crash loses none: what is left is found again."""

    def __init__(
        self, world: World, pictures: Pictures, retention: Retention, *, moment_seconds: float = 0.5
    ) -> None:
        self._world = world
        self._moment_seconds = moment_seconds
        self._pictures = pictures
        self._retention = retention
        self._wanted = asyncio.Event()
        self._in_hand = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def run_began(self) -> None:
        """A lifecycle is in hand: pictures wait."""
        self._count(1)
        self._idle.clear()

    def run_left(self) -> None:
        """A lifecycle is out of hand; the last one lets the pictures begin."""
        self._count(-1)
        self._wanted.set()
        if not self._in_hand:
            self._idle.set()

    def _count(self, more: int) -> None:
        self._in_hand += more
        self._world.metrics.set("laurel_runs_in_flight", self._in_hand)

    async def run_forever(self) -> None:
        """Draw whatever is missing whenever the worker is idle."""
        while True:
            self._wanted.clear()
            try:
                await self._catch_up()
            except LaurelError as error:
                log.warning("pictures_put_off", reason=error.reason, message=error.message)
            try:
                async with asyncio.timeout(_PAUSE_SECONDS):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def _catch_up(self) -> None:
        while await self._undrawn():
            await self._be_idle()
            async with self._pictures.opened() as draw:
                await self._draw_some(draw)
        await self._retention.look()

    async def _undrawn(self) -> Run | None:
        runs = await self._world.store.ended_without(self._world.model_name, PICTURES_CHORE, 1)
        return runs[0] if runs else None

    async def _be_idle(self) -> None:
        """Wait until the worker has been idle for a moment: a request often follows another."""
        while True:
            await self._idle.wait()
            await self._world.clock.sleep(self._moment_seconds)
            if self._idle.is_set():
                return

    async def _draw_some(self, draw: Draw) -> None:
        """Draw until there is nothing left, a lifecycle comes, or something went wrong where it is drawn."""
        while self._idle.is_set() and (run := await self._undrawn()):
            good = await self._draw(run, draw)
            await self._world.store.chore_done(run.run_id, PICTURES_CHORE)
            if not good:
                return

    async def _draw(self, run: Run, draw: Draw) -> bool:
        """Draw, unless the run has no record, or its files are gone: then there is nothing to draw."""
        if "open_run" not in run.outputs:
            return True
        try:
            await self._mark_orphans(run)
            await draw(run, self._world.provenance)
        except TryLater as error:
            if error.waiting_on is not None:
                raise
            log.warning("pictures_given_up", run=run.run_id, reason=error.reason, message=error.message)
        except LaurelError as error:
            log.warning("pictures_given_up", run=run.run_id, reason=error.reason, message=error.message)
        except Exception:  # a defect in drawing may not take the worker down, again and again
            log.exception("pictures_given_up", run=run.run_id, reason="internal_error")
        else:
            return True
        return False

    async def _mark_orphans(self, run: Run) -> None:
        """Mark what a slow MLflow made of this run after we had stopped waiting for its answer."""
        world, opened = self._world, OpenedRun.model_validate(run.outputs["open_run"])
        trained = run.outputs.get(Step.TRAIN)
        model = Trained.model_validate(trained).model if trained else None
        await world.tracker.mark_orphans(opened, run.run_id, model)
        number = run.outputs.get(Step.DECIDE, {}).get("version")
        version = await world.registry.version(run.model_name, number) if number else None
        if version is not None:
            await world.registry.mark_orphans(run.model_name, version)
