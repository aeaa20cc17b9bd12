"""Nothing is appended to the ledger before its counterparts were asked: registry and announcements."""

from typing import Final

import structlog

from domain.counterparts import Agreement, Announced, Comparison, Counterparts, compare
from domain.errors import GenerationTaken, LaurelError, NeverRetry, Stop
from domain.ledger import Cause, LedgerEntry
from domain.lifecycle import State
from domain.models import RegisteredModel, RegisteredVersion
from domain.package_tags import RUN_TAG
from service.metrics import Metrics
from service.world import World

log = structlog.get_logger()

LOOK_SECONDS: Final = 300.0
_WON: Final = frozenset({State.PROMOTED, State.COMPLETED})


async def ask(world: World, head: LedgerEntry | None) -> Counterparts:
    """Ask every side about this head. Raises TryLater while one is away, NeverRetry for what one refuses."""
    announced = await world.anchor.newest()
    model = await world.registry.registered(world.model_name)
    alias = model.alias_version if model else None
    head_version = await _version(world, model, head.version if head else None)
    same = head is not None and alias == head.version
    alias_version = head_version if same else await _version(world, model, alias)
    there, accepted = await _entry_there(world, head, announced)
    return Counterparts(
        ledger_id=await world.ledger.identity(),
        head=head,
        broken=await world.ledger.first_broken_generation(world.model_name),
        marked=model.ledger_id if model else None,
        head_version=head_version,
        alias_version=alias_version,
        alias_is_candidate=await _is_candidate(world, head, alias_version),
        announced=announced,
        there=there,
        accepted=accepted,
    )


async def _version(
    world: World, model: RegisteredModel | None, number: int | None
) -> RegisteredVersion | None:
    """The version, asked for unless it came with the model."""
    if number is None or model is None:
        return None
    if model.newest is not None and model.newest.version == number:
        return model.newest
    return await world.registry.version(world.model_name, number)


async def _entry_there(
    world: World, head: LedgerEntry | None, announced: Announced | None
) -> tuple[LedgerEntry | None, int]:
    """The entry of the announced generation, and the newest recovery's number as far as it matters."""
    if head is None or announced is None or announced.generation >= head.generation:
        accepted = head.generation if head is not None and head.cause is Cause.RECOVERY else 0
        return head if head and announced and announced.generation == head.generation else None, accepted
    entries = await world.ledger.entries(world.model_name)
    there = [entry for entry in entries if entry.generation == announced.generation]
    recoveries = [entry.generation for entry in entries if entry.cause is Cause.RECOVERY]
    return next(iter(there), None), max([0, *recoveries])


async def _is_candidate(world: World, head: LedgerEntry | None, version: RegisteredVersion | None) -> bool:
    """True for what a run of ours registered for the next generation and has not won with.

    The gate tags a candidate before it decides, and a person may choose it meanwhile, or after the run died.
    """
    following = head.generation + 1 if head else 1
    if version is None or version.generation != following or RUN_TAG not in version.tags:
        return False
    run = await world.store.get(version.tags[RUN_TAG])
    return run is not None and run.state not in _WON


async def compared(world: World) -> tuple[LedgerEntry | None, Comparison]:
    """Compare all sides with the head that stands, and say nothing of it."""
    while True:
        head = await world.ledger.head(world.model_name)
        try:
            return head, await _compared(world, head)
        except GenerationTaken:
            continue


async def _compared(world: World, head: LedgerEntry | None) -> Comparison:
    found = compare(await ask(world, head))
    if not found.fits and await world.ledger.head(world.model_name) != head:
        raise GenerationTaken("generation_taken", "another generation came while the sides were asked")
    return found


async def verify(world: World, head: LedgerEntry | None) -> Comparison:
    """Compare all sides with a head; tell what does not fit, and remember a head that does.

    Raises GenerationTaken when it is the head no more: the others have seen what came after it.
    """
    found = await _compared(world, head)
    _note(world, head, found)
    return found


def _note(world: World, head: LedgerEntry | None, found: Comparison) -> None:
    tell(found, world.metrics)
    if found.fits and head is not None:
        world.anchor.saw(head)


def tell(found: Comparison, metrics: Metrics) -> None:
    """Raise the alarm, or take it back."""
    for agreement in set(Agreement) - {Agreement.OK, Agreement.NOT_ANCHORED}:
        metrics.set("laurel_promotions_stopped", agreement is found.agreement, reason=agreement.value)
    if not found.fits:
        log.error(
            "promotions_stopped",
            reason=found.agreement.value,
            ledger=found.ledger,
            seen=found.seen,
            message=found.message,
        )


async def require_agreement(world: World, head: LedgerEntry | None) -> None:
    """Require a fit, and make the registered model this ledger's if it is nobody's yet."""
    found = await require_fit(world, head)
    if not found.marked:
        await claim(world)


async def require_fit(world: World, head: LedgerEntry | None) -> Comparison:
    """Verify, and change nothing.

    Raises NeverRetry with the reason when something does not fit: then nothing may be appended. Raises
    GenerationTaken when this is the head no more.
    """
    found = await verify(world, head)
    if not found.fits:
        raise NeverRetry(found.agreement.value, found.message, ledger=found.ledger, seen=found.seen)
    return found


async def may_be_shown(world: World, head: LedgerEntry) -> bool:
    """True unless later generations were announced than this head: the alias then stays where it is.

    False when it is the head no more. Raises NeverRetry `ledger_behind` when the ledger has forgotten them.
    """
    newest = await world.anchor.newest()
    if newest is None or newest.generation <= head.generation:
        return True
    try:
        await require_agreement(world, head)
    except GenerationTaken:
        return False
    return True


async def claim(world: World) -> None:
    """Mark the registered model, if there is one that nobody has marked; of two at once the last one wins.

    Raises NeverRetry `another_ledger` for who was overwritten.
    """
    ledger_id = await world.ledger.identity()
    model = await world.registry.registered(world.model_name)
    if model is None or model.ledger_id == ledger_id:
        return
    if model.ledger_id is None:
        await world.registry.mark(world.model_name, ledger_id)
        model = await world.registry.registered(world.model_name)
    if model is None or model.ledger_id != ledger_id:
        raise NeverRetry(
            "another_ledger",
            f"another ledger has just marked {world.model_name} as its own; see `laurel ledger status`",
        )


async def begin(world: World) -> None:
    """Look at a worker's start, before it takes requests from anybody.

    Raises Stop `another_ledger` with the sentence that says so, TryLater while a side is away; every other
    difference is an alarm.
    """
    try:
        head, found = await compared(world)
        _note(world, head, found)
        if found.fits and head is not None and not found.marked:
            await claim(world)
    except NeverRetry as error:
        if error.reason == Agreement.ANOTHER_LEDGER:
            raise Stop(error.reason, error.message) from error
        _not_read(error)
        return
    if found.agreement is Agreement.ANOTHER_LEDGER:
        raise Stop("another_ledger", found.message, ledger=found.ledger, seen=found.seen)


def _not_read(error: LaurelError) -> None:
    log.warning("counterparts_not_read", reason=error.reason, message=error.message)


class CounterpartLooks:
    """Reads what was announced at long intervals, so that a restored backup is told while nothing happens."""

    def __init__(self, world: World, pause_seconds: float = LOOK_SECONDS) -> None:
        self._world = world
        self._pause_seconds = pause_seconds

    async def run_forever(self) -> None:
        """Look after every pause; a service that is away is looked at the next time."""
        while True:
            await self._world.clock.sleep(self._pause_seconds)
            try:
                await self.look()
            except LaurelError as error:
                _not_read(error)

    async def look(self) -> None:
        """Read the topic and compare once."""
        await self._world.anchor.read()
        head, found = await compared(self._world)
        _note(self._world, head, found)
