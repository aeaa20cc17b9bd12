"""Protocols that lose or stale a promotion: what the search has to find."""

from typing import Final

from domain.errors import GenerationTaken
from domain.ledger import Cause, LedgerEntry, next_entry
from service.lifecycle.run_ports import RunPorts
from service.promotion.projector import LedgerProjector
from tests.model_checking.asking import MODEL, Ask, StoppedClock
from tests.model_checking.programs import ERRORS, outlook_on, persist, score_of, triple_of


class NeverLooksAgain(LedgerProjector):
    """Does not read the head again behind its writes."""

    async def _still_shown(self, head: LedgerEntry) -> bool:
        del head
        return True


class LooksOnce(LedgerProjector):
    """Writes what it decided on, whatever the alias shows by then."""

    async def _stands_at(self, places: object) -> bool:
        del places
        return True


class ProjectsItsOwn(LedgerProjector):
    """Shows the generation that it found, whatever the head is by the time that it writes."""

    async def follow(self) -> LedgerEntry | None:
        own = await self.ledger.head(self.model_name)
        if own is not None:
            record = await self._open_record(own)
            await self._write_alias(own)
            await self._write_defaults(own)
            await self._close([record])
        return own


_NOBODY: Final = "nobody"  # who writes without a record
_LEASE: Final = 1  # the row that holds it: the champion's, which nobody else needs


async def compare_and_set_alias(version: int) -> None:
    """Promote without a ledger: judge against the alias, and set it if it still is what was judged."""
    while True:
        champion = await Ask("read_alias")
        if champion is not None and ERRORS[version] >= ERRORS[champion]:
            return
        if await Ask("read_alias") == champion:
            break
    await Ask("set_alias", (version, _NOBODY))
    await Ask("write_defaults", version)


async def set_alias_under_lease(version: int) -> None:
    """Promote under a lease alone, which another worker may have by the time that the write arrives."""
    fence, _, _ = await Ask("claim", _LEASE)
    champion = await Ask("read_alias")
    if champion is not None and ERRORS[version] >= ERRORS[champion]:
        return
    if await Ask("holds", fence):
        await Ask("set_alias", (version, _NOBODY))
        await Ask("write_defaults", version)


async def carry_with_the_old_verdict(
    version: int, evaluated_against: LedgerEntry | None, world: RunPorts, projector: LedgerProjector
) -> None:
    """Judge once; when another was first, insert behind it all the same."""
    fence, state, generation = await Ask("claim", version)
    champion = outlook_on(evaluated_against)
    while state == "EVALUATED":
        head = await world.ledger.head(MODEL)
        entry = next_entry(
            MODEL,
            head,
            version=version,
            cause=Cause.GATE,
            run_id=f"run-{version}",
            triple=triple_of(version),
            candidate_score=score_of(version),
            champion_score=getattr(champion, "score", None),
            policy=world.policy,
            reasons=("it was better once",),
            actor=world.worker,
            at=StoppedClock().now(),
        )
        try:
            await Ask("commit_verdict", (version, fence, entry))
        except GenerationTaken:
            continue
        state, generation = "PROMOTED", entry.generation
    await persist(version, fence, generation, world, projector)


async def carry_what_was_lost(
    version: int, evaluated_against: LedgerEntry | None, world: RunPorts, projector: LedgerProjector
) -> None:
    """Find out before the last step alone that the run was cancelled meanwhile."""
    await Ask("claim", version)
    head = await world.ledger.head(MODEL)
    entry = next_entry(
        MODEL,
        head,
        version=version,
        cause=Cause.GATE,
        run_id=f"run-{version}",
        triple=triple_of(version),
        reasons=("nobody looked at the run",),
        actor=world.worker,
        at=StoppedClock().now(),
    )
    del evaluated_against
    await world.ledger.append(entry)
    await projector.follow()
