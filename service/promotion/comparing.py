"""What registry and announcements say of a head, compared with the ledger; nothing is changed or told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from domain.counterparts import Announced, Comparison, Counterparts, compare, compare_unregistered
from domain.errors import GenerationTaken
from domain.ledger import Cause, LedgerEntry
from domain.lifecycle import State
from domain.models import RegisteredModel, RegisteredVersion
from domain.package_tags import RUN_TAG
from domain.ports.ledger_reads import LedgerReads
from domain.ports.model_registry import ModelRegistry
from service.promotion.anchor import Anchor

if TYPE_CHECKING:
    from domain.ports.run_store import RunReads

_WON: Final = frozenset({State.PROMOTED, State.COMPLETED})


class Sides(Protocol):
    """Those who are asked about one model's ledger."""

    @property
    def model_name(self) -> str:
        """Whose ledger it is."""

    @property
    def ledger(self) -> LedgerReads:
        """The ledger itself."""

    @property
    def registry(self) -> ModelRegistry:
        """The registry of models."""

    @property
    def anchor(self) -> Anchor:
        """What was announced."""

    @property
    def store(self) -> RunReads:
        """The runs."""


async def ask(sides: Sides, head: LedgerEntry | None, *, whole: bool = False) -> Counterparts:
    """Ask every side about this head; with `whole`, audit all of the ledger.

    Raises TryLater while one is away, NeverRetry for what one refuses.
    """
    announced = await sides.anchor.newest()
    model = await sides.registry.registered(sides.model_name)
    alias = model.alias_version if model else None
    head_version = await _version(sides, model, head.version if head else None)
    same = head is not None and alias == head.version
    alias_version = head_version if same else await _version(sides, model, alias)
    there, accepted = await _entry_there(sides, head, announced)
    return Counterparts(
        ledger_id=await sides.ledger.identity(),
        head=head,
        broken=await _broken(sides, whole=whole),
        marked=model.ledger_id if model else None,
        head_version=head_version,
        alias_version=alias_version,
        alias_is_candidate=await _is_candidate(sides, head, alias_version),
        announced=announced,
        there=there,
        accepted=accepted,
    )


async def compared_without_registry(sides: Sides, head: LedgerEntry | None) -> Comparison:
    """Compare what store and topic say: the registry does not answer."""
    announced = await sides.anchor.newest()
    there, accepted = await _entry_there(sides, head, announced)
    said = Counterparts(
        ledger_id=await sides.ledger.identity(),
        head=head,
        broken=await _broken(sides, whole=False),
        announced=announced,
        there=there,
        accepted=accepted,
    )
    return compare_unregistered(said)


async def _broken(sides: Sides, *, whole: bool) -> int | None:
    """Audit the recent generations; all of them if asked, and until what was found then is sound again."""
    if whole or sides.anchor.broken is not None:
        sides.anchor.broken = await sides.ledger.first_broken_generation(sides.model_name)
        return sides.anchor.broken
    return await sides.ledger.first_broken_generation(sides.model_name, recent=True)


async def _version(
    sides: Sides, model: RegisteredModel | None, number: int | None
) -> RegisteredVersion | None:
    """The version, asked for unless it came with the model."""
    if number is None or model is None:
        return None
    if model.newest is not None and model.newest.version == number:
        return model.newest
    return await sides.registry.version(sides.model_name, number)


async def _entry_there(
    sides: Sides, head: LedgerEntry | None, announced: Announced | None
) -> tuple[LedgerEntry | None, int]:
    """The entry of the announced generation, and the newest recovery's number as far as it matters."""
    if head is None or announced is None or announced.generation >= head.generation:
        accepted = head.generation if head is not None and head.cause is Cause.RECOVERY else 0
        return head if head and announced and announced.generation == head.generation else None, accepted
    since = await sides.ledger.last(sides.model_name, head.generation - announced.generation + 1)
    there = [entry for entry in since if entry.generation == announced.generation]
    recoveries = [entry.generation for entry in since if entry.cause is Cause.RECOVERY]
    return next(iter(there), None), max([0, *recoveries])


async def _is_candidate(sides: Sides, head: LedgerEntry | None, version: RegisteredVersion | None) -> bool:
    """True for what a run of ours registered for the next generation and has not won with.

    The gate tags a candidate before it decides, and a person may choose it meanwhile, or after the run died.
    """
    following = head.generation + 1 if head else 1
    if version is None or version.generation != following or RUN_TAG not in version.tags:
        return False
    run = await sides.store.get(version.tags[RUN_TAG])
    return run is not None and run.state not in _WON


async def compared(sides: Sides) -> tuple[LedgerEntry | None, Comparison]:
    """Compare all sides, the whole ledger audited, with the head that stands, and say nothing of it."""
    while True:
        head = await sides.ledger.head(sides.model_name)
        try:
            return head, await compared_once(sides, head, whole=True)
        except GenerationTaken:
            continue


async def compared_once(sides: Sides, head: LedgerEntry | None, *, whole: bool = False) -> Comparison:
    """Compare all sides with this head. Raises GenerationTaken when it is the head no more."""
    found = compare(await ask(sides, head, whole=whole))
    if not found.fits and await sides.ledger.head(sides.model_name) != head:
        raise GenerationTaken("generation_taken", "another generation was added during the comparison")
    return found
