"""Whether a generation can be returned to: its version, its files, and whether every replica served it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, NamedTuple

from domain.announcement import Announcement, why_not_served_by_all
from domain.counterparts import Agreement, Comparison
from domain.errors import NeverRetry, TryLater
from domain.ledger import LedgerEntry
from domain.models import RegisteredVersion
from domain.package_tags import MANIFEST_TAG
from domain.ports.bars import QuarantineReads
from domain.ports.promotion_ledger import PromotionLedger
from domain.quarantine import Quarantine, quarantine_of_version
from domain.rollback import Obstacle
from service.promotion.counterparts import CounterpartChecks
from service.promotion.known_versions import KnownVersions

_ANSWER_SECONDS: Final = 5.0  # for all that is asked of MLflow at one step: a person waits

_NEEDED: Final = frozenset({"postgres", "kafka"})

CheckFiles = Callable[[RegisteredVersion], Awaitable[None]]
Limit = Callable[[], AbstractAsyncContextManager[object]]


def soon() -> AbstractAsyncContextManager[object]:
    """As long as a person waits for MLflow."""
    return asyncio.timeout(_ANSWER_SECONDS)


class MlflowSilent(TryLater):
    """MLflow does not answer, or not soon enough: go on by what is known here."""


class Present(NamedTuple):
    """What stands now, whatever the generation: the quarantines, and what replicas said of the head."""

    quarantines: Sequence[Quarantine]
    under_head: Sequence[Announcement]


@dataclass(frozen=True)
class Returnable:
    """Looks at generations of one model, and changes nothing.

    `check_files` reads every file of a version and holds it against its digest: what every replica has loaded
    before loads again if it is the same bytes. It raises ModelUnusable. `has_servers`: some are configured.
    `limit` bounds what is asked of MLflow at one step.
    """

    versions: KnownVersions
    ledger: PromotionLedger
    quarantines: QuarantineReads
    check_files: CheckFiles
    allow_foreign: bool
    has_servers: bool
    limit: Limit = soon

    async def present(self, head: LedgerEntry) -> Present:
        """Read what all generations are held against. Raises TryLater."""
        reports = await self.ledger.replica_reports(self.versions.model_name, head.generation)
        return Present(await self.quarantines.active(), reports)

    async def obstacle(self, entry: LedgerEntry, present: Present, *, named: bool) -> Obstacle | None:
        """The first obstacle as MLflow and the store tell it. Raises MlflowSilent, TryLater.

        MLflow is not asked, nor any file read, about what is not chosen by itself; of a generation that is
        `named` a doubt is told only where nothing else speaks against it.
        """
        if (quarantined := _quarantined(entry, present)) is not None:
            return quarantined
        doubt = await self._not_served(entry, present)
        if doubt is not None and not named:
            return doubt
        try:
            async with self.limit():
                return await self._in_registry(entry) or doubt
        except (TimeoutError, TryLater) as error:
            raise silent(error) from error

    async def known_obstacle(self, entry: LedgerEntry, present: Present) -> Obstacle | None:
        """The first obstacle as far as it is known without MLflow. Raises TryLater."""
        if (quarantined := _quarantined(entry, present)) is not None:
            return quarantined
        if entry.run_id is None and entry.model_digest is None and not self.allow_foreign:
            detail = "the ledger does not say that Laurel made it, and MLflow, which knows, does not answer"
            return Obstacle(reason="foreign", detail=detail)
        return await self._not_served(entry, present)

    async def _not_served(self, entry: LedgerEntry, present: Present) -> Obstacle | None:
        reports = await self.ledger.replica_reports(self.versions.model_name, entry.generation)
        why = why_not_served_by_all(reports, present.under_head, expected=self.has_servers)
        return Obstacle(reason="not_served", detail=why) if why else None

    async def _in_registry(self, entry: LedgerEntry) -> Obstacle | None:
        held = await self.versions.registry.version(self.versions.model_name, entry.version)
        if held is None:
            return Obstacle(reason="deleted", detail="the registry does not hold its version any more")
        if entry.mlflow_run_id and held.mlflow_run_id not in {None, entry.mlflow_run_id}:
            detail = f"the registry holds another run's model under its number, {held.mlflow_run_id}"
            return Obstacle(reason="another_run", detail=detail)
        try:
            return await self._of_its_files(entry, await self.versions.completed(held))
        except NeverRetry as error:
            return Obstacle(reason="unloadable", detail=error.message)

    async def _of_its_files(self, entry: LedgerEntry, known: RegisteredVersion) -> Obstacle | None:
        if MANIFEST_TAG not in known.tags and not self.allow_foreign:
            detail = "Laurel did not make it, and ALLOW_FOREIGN_CHAMPION is not set"
            return Obstacle(reason="foreign", detail=detail)
        if None not in {entry.model_digest, known.digest} and entry.model_digest != known.digest:
            detail = f"its files are not those that were promoted: their digest is {known.digest}"
            return Obstacle(reason="unloadable", detail=detail)
        if None in {entry.model_digest, known.digest}:  # else the files are those that were looked at before
            await self.versions.registry.look(known)
        await self.check_files(known)
        return None


def _quarantined(entry: LedgerEntry, present: Present) -> Obstacle | None:
    one = quarantine_of_version(entry.version, present.quarantines)
    return None if one is None else Obstacle(reason="quarantined", detail=f"{one.told}; {one.way_out}")


def silent(error: TimeoutError | TryLater) -> TryLater:
    """The error itself if it is the store's or the topic's; else MlflowSilent."""
    if isinstance(error, TimeoutError):
        message = f"MLflow took more than {_ANSWER_SECONDS:g} s"
        return MlflowSilent("mlflow_unavailable", message, waiting_on="mlflow")
    if error.waiting_on in _NEEDED:
        return error
    return MlflowSilent(error.reason, error.message, **error.facts)


async def require_fit_or_missing(checks: CounterpartChecks, head: LedgerEntry | None) -> Comparison:
    """Require that all fits this head, but for one that is gone from the registry: a person gets out of that.

    Raises NeverRetry, GenerationTaken.
    """
    found = await checks.verify(head)
    require_fits(found)
    return found


def require_fits(found: Comparison) -> None:
    """Raise NeverRetry for what a person's decision does not get out of."""
    if not found.fits and found.agreement is not Agreement.HEAD_MISSING:
        raise NeverRetry(found.agreement.value, found.message, ledger=found.ledger, seen=found.seen)
