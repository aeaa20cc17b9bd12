"""Who moved the alias: the ledger's way to its head, a late write of our own, or a person."""

import structlog

from domain.adoption import adopted_entry
from domain.errors import GenerationTaken
from domain.ledger import Cause, LedgerEntry, next_entry
from domain.version_triple import VersionTriple
from service.counterparts import require_agreement
from service.known_versions import FoundVersion, usable_version
from service.world import World

log = structlog.get_logger()


async def settled_head(world: World) -> tuple[LedgerEntry | None, int | None]:
    """Return the head of the ledger and the alias's version, behind what people did to the alias.

    A version that the alias names and nobody of us set becomes a generation: `adopted` on an empty ledger,
    `override` otherwise. No head means that the ledger is empty and the registry itself says "no alias".
    Raises ModelUnusable `alias_unusable` for a version that cannot be one: it becomes no generation. Raises
    NeverRetry when ledger, registry and topic do not agree: then nobody knows whose move it was.
    """
    while True:
        head = await world.ledger.head(world.model_name)
        alias = await world.registry.alias_version(world.model_name)
        if alias is None:
            await _tell_if_missing(world, head)
            return head, alias
        if head is not None and await _is_ours(world, head, alias):
            return head, alias
        if head is None or await _is_a_persons(world, alias):
            await _record(world, head, alias)


async def _tell_if_missing(world: World, head: LedgerEntry | None) -> None:
    """An alias that was shown before and is gone was deleted: it comes back, but not in silence."""
    if head is not None and not await world.ledger.unannounced(world.model_name):
        log.warning("alias_missing", model=world.model_name, head=head.version)


async def _is_ours(world: World, head: LedgerEntry, alias: int) -> bool:
    if alias in await _on_its_way(world, head):
        return True
    return await world.alias_writes.is_open(world.model_name, alias)


async def _is_a_persons(world: World, alias: int) -> bool:
    """Look closely: a late write of ours may have been mended, and its record closed, since the first look.

    Whoever of us wrote what stands there has a record open: its writer closes it only when the alias shows
    the head. So while no write of ours begins or ends, what stands under no open record is a person's.
    """
    before = await world.alias_writes.traffic(world.model_name)
    stands = await world.registry.alias_version(world.model_name) == alias
    unknown = not await world.alias_writes.is_open(world.model_name, alias)
    return stands and unknown and await world.alias_writes.traffic(world.model_name) == before


async def _on_its_way(world: World, head: LedgerEntry) -> set[int]:
    """Versions that the alias may show on its way to the head: the last announced one and all behind it."""
    waiting = await world.ledger.unannounced(world.model_name)
    versions = {head.version, *(entry.version for entry in waiting)}
    if waiting and waiting[0].previous_version is not None:
        versions.add(waiting[0].previous_version)
    return versions


async def _record(world: World, head: LedgerEntry | None, version: int) -> None:
    try:
        await require_agreement(world, head)
        entry = await _entry(world, head, await usable_version(world, version))
        await world.ledger.append(entry)
    except GenerationTaken:
        return  # another entry is the head now: the caller looks again
    if head is not None:
        world.metrics.count("laurel_overrides_total")
    log.warning(
        "champion_overridden" if head else "champion_adopted", model=world.model_name, version=version
    )


async def _entry(world: World, head: LedgerEntry | None, found: FoundVersion) -> LedgerEntry:
    version, triple = found.version.version, found.run.triple if found.run else None
    run_id = found.version.mlflow_run_id if triple else None
    if head is None:
        at = world.clock.now()
        return adopted_entry(
            world.model_name,
            version,
            actor=world.worker,
            at=at,
            triple=triple,
            mlflow_run_id=run_id,
            model_digest=found.version.digest,
        )
    triple = triple or await triple_of(world, version)
    return next_entry(
        world.model_name,
        head,
        version=version,
        cause=Cause.OVERRIDE,
        triple=triple,
        mlflow_run_id=run_id,
        reasons=(f"the alias was pointed at version {version} by hand",),
        actor=world.worker,
        at=world.clock.now(),
        model_digest=found.version.digest,
    )


async def triple_of(world: World, version: int) -> VersionTriple | None:
    """The triple that the ledger itself knows of a version whose run tells none any more."""
    known = await world.ledger.entries(world.model_name)
    return next((entry.triple for entry in reversed(known) if entry.version == version), None)
