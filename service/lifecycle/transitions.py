"""What is committed after each step: outcome, output, announcements and ledger entry."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from domain.announcement import Announcement
from domain.ledger import LedgerEntry
from domain.lifecycle import Outcome, Step
from domain.run import Failure, Run
from domain.values import Value
from service.lifecycle import events
from service.lifecycle.execution import Work
from service.lifecycle.steps.resolve import ConfigurationRefused


@dataclass(frozen=True)
class Commit:
    """One transition, ready to be written in one transaction."""

    outcome: Outcome
    output: Mapping[str, object] | None = None
    announcements: tuple[Announcement, ...] = ()
    entry: LedgerEntry | None = None
    failure: Failure | None = None


async def commit_of_step(work: Work, announcer: events.Announcer) -> Commit:
    """Wait for the work of the run's next step and say what to commit."""
    return await _MAKERS[work.run.next_step](work, announcer)


def commit_of_failure(run: Run, failure: Failure, announcer: events.Announcer) -> Commit:
    """Say what to commit for a run that cannot go on."""
    return Commit(Outcome.GAVE_UP, announcements=(events.failed(run, failure, announcer),), failure=failure)


async def _resolve(work: Work, announcer: events.Announcer) -> Commit:
    resolved = await work.resolved()
    if isinstance(resolved, ConfigurationRefused):
        message = "; ".join(fault.message for fault in resolved.faults)
        facts = {"faults": [fault.model_dump() for fault in resolved.faults]}
        failure = Failure(reason=resolved.faults[0].code, message=message, facts=facts)
        announcements = (events.rejected(work.run, resolved.faults, announcer),)
        return Commit(Outcome.REFUSED, announcements=announcements, failure=failure)
    return Commit(Outcome.RESOLVED, output=_json(resolved))


async def _split(work: Work, announcer: events.Announcer) -> Commit:
    del announcer
    return Commit(Outcome.SPLIT, output=_json(await work.parts()))


async def _version(work: Work, announcer: events.Announcer) -> Commit:
    hashes = await work.versioned()
    facts = work.config(), await work.opened(), await work.parts(), hashes
    return Commit(
        Outcome.VERSIONED,
        output=_json(hashes),
        announcements=(events.split_completed(work.run, *facts, announcer),),
    )


async def _train(work: Work, announcer: events.Announcer) -> Commit:
    del announcer
    return Commit(Outcome.TRAINED, output=_json(await work.trained()))


async def _evaluate(work: Work, announcer: events.Announcer) -> Commit:
    evaluated = await work.evaluated()
    compared = await work.compared_with(evaluated.champion)
    facts = work.config(), await work.opened(), await work.trained(), evaluated, compared
    return Commit(
        Outcome.EVALUATED,
        output=_json(evaluated),
        announcements=(events.evaluated_event(work.run, *facts, announcer),),
    )


async def _decide(work: Work, announcer: events.Announcer) -> Commit:
    decided, entry = await work.decided()
    if entry is not None:
        return Commit(Outcome.WON, output=_json(decided), entry=entry)
    opened, evaluated = await work.opened(), await work.evaluated()
    await work.close_declined(opened, decided)
    compared = await work.compared_with(decided.champion)
    facts = work.config(), opened, evaluated, decided, compared
    announcement = events.declined(work.run, *facts, announcer)
    return Commit(Outcome.LOST, output=_json(decided), announcements=(announcement,))


async def _persist(work: Work, announcer: events.Announcer) -> Commit:
    del announcer
    return Commit(Outcome.PERSISTED, output=_json(await work.persisted()))


_Maker = Callable[[Work, events.Announcer], Awaitable[Commit]]
_MAKERS: Final[Mapping[Step, _Maker]] = {
    Step.RESOLVE: _resolve,
    Step.SPLIT: _split,
    Step.VERSION: _version,
    Step.TRAIN: _train,
    Step.EVALUATE: _evaluate,
    Step.DECIDE: _decide,
    Step.PERSIST: _persist,
}


def _json(value: Value) -> dict[str, object]:
    return value.model_dump(mode="json")
