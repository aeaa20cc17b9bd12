"""What is committed behind each step: outcome, output, announcements and ledger entry."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from domain.announcement import Announcement
from domain.ledger import LedgerEntry
from domain.lifecycle import Outcome, Step
from domain.resolved_config import ResolvedConfig
from domain.run import Failure, Run
from domain.values import Value
from service import reports
from service.steps.resolve import Refused
from service.work import Work
from service.world import World


@dataclass(frozen=True)
class Commit:
    """One transition, ready to be written in one transaction."""

    outcome: Outcome
    output: Mapping[str, Any] | None = None
    announcements: tuple[Announcement, ...] = ()
    entry: LedgerEntry | None = None
    failure: Failure | None = None


async def commit_of_step(work: Work, world: World) -> Commit:
    """Wait for the work of the run's next step and say what to commit."""
    return await _MAKERS[work.run.next_step](work, world)


def commit_of_failure(run: Run, failure: Failure, world: World) -> Commit:
    """Say what to commit for a run that cannot go on."""
    resolved = run.outputs.get(Step.RESOLVE)
    versions = ResolvedConfig.model_validate(resolved).triple if resolved else None
    announcements = (reports.failed(run, versions, failure, world),)
    return Commit(Outcome.GAVE_UP, announcements=announcements, failure=failure)


async def _resolve(work: Work, world: World) -> Commit:
    resolved = await work.resolved()
    if isinstance(resolved, Refused):
        message = "; ".join(fault.message for fault in resolved.faults)
        facts = {"faults": [fault.model_dump() for fault in resolved.faults]}
        failure = Failure(reason=resolved.faults[0].code, message=message, facts=facts)
        announcements = (reports.rejected(work.run, resolved.faults, world),)
        return Commit(Outcome.REFUSED, announcements=announcements, failure=failure)
    return Commit(Outcome.RESOLVED, output=_json(resolved))


async def _split(work: Work, world: World) -> Commit:
    del world
    return Commit(Outcome.SPLIT, output=_json(await work.parts()))


async def _version(work: Work, world: World) -> Commit:
    hashes = await work.versioned()
    facts = work.config(), await work.opened(), await work.parts(), hashes
    return Commit(
        Outcome.VERSIONED,
        output=_json(hashes),
        announcements=(reports.split_completed(work.run, *facts, world),),
    )


async def _train(work: Work, world: World) -> Commit:
    del world
    return Commit(Outcome.TRAINED, output=_json(await work.trained()))


async def _evaluate(work: Work, world: World) -> Commit:
    evaluated = await work.evaluated()
    compared = await work.compared_with(evaluated.champion)
    facts = work.config(), await work.opened(), await work.trained(), evaluated, compared
    return Commit(
        Outcome.EVALUATED,
        output=_json(evaluated),
        announcements=(reports.evaluated_event(work.run, *facts, world),),
    )


async def _decide(work: Work, world: World) -> Commit:
    decided, entry = await work.decided()
    if entry is not None:
        return Commit(Outcome.WON, output=_json(decided), entry=entry)
    opened, evaluated = await work.opened(), await work.evaluated()
    await work.close_declined(opened, decided)
    compared = await work.compared_with(decided.champion)
    facts = work.config(), opened, evaluated, decided, compared
    announcement = reports.declined(work.run, *facts, world)
    return Commit(Outcome.LOST, output=_json(decided), announcements=(announcement,))


async def _persist(work: Work, world: World) -> Commit:
    del world
    return Commit(Outcome.PERSISTED, output=_json(await work.persisted()))


_Maker = Callable[[Work, World], Awaitable[Commit]]
_MAKERS: Final[Mapping[Step, _Maker]] = {
    Step.RESOLVE: _resolve,
    Step.SPLIT: _split,
    Step.VERSION: _version,
    Step.TRAIN: _train,
    Step.EVALUATE: _evaluate,
    Step.DECIDE: _decide,
    Step.PERSIST: _persist,
}


def _json(value: Value) -> dict[str, Any]:
    return value.model_dump(mode="json")
