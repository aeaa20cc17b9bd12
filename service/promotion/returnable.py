"""Whether a generation can be returned to: its version, its files, and whether every replica served it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from domain.announcement import why_not_served_by_all
from domain.counterparts import Agreement, Comparison
from domain.errors import NeverRetry, TryLater
from domain.ledger import LedgerEntry
from domain.models import RegisteredVersion
from domain.package_tags import MANIFEST_TAG
from domain.ports.bars import QuarantineReads
from domain.ports.promotion_ledger import PromotionLedger
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

    async def obstacle(self, entry: LedgerEntry, head: LedgerEntry) -> Obstacle | None:
        """The first obstacle as MLflow and the store tell it. Raises MlflowSilent, TryLater."""
        if (quarantined := await self._quarantined(entry)) is not None:
            return quarantined
        try:
            async with self.limit():
                found = await self._in_registry(entry)
        except (TimeoutError, TryLater) as error:
            raise silent(error) from error
        return found or await self._not_served(entry, head)

    async def known_obstacle(self, entry: LedgerEntry, head: LedgerEntry) -> Obstacle | None:
        """The first obstacle as far as it is known without MLflow. Raises TryLater."""
        if (quarantined := await self._quarantined(entry)) is not None:
            return quarantined
        if entry.run_id is None and entry.model_digest is None and not self.allow_foreign:
            detail = "the ledger does not say that Laurel made it, and MLflow, which knows, does not answer"
            return Obstacle(reason="foreign", detail=detail)
        return await self._not_served(entry, head)

    async def _quarantined(self, entry: LedgerEntry) -> Obstacle | None:
        active = await self.quarantines.active()
        one = next((one for one in active if one.version == entry.version), None)
        if one is None:
            return None
        detail = f"{one.told}; allow it again with `laurel quarantine lift {one.generation} --reason …`"
        return Obstacle(reason="quarantined", detail=detail)

    async def _not_served(self, entry: LedgerEntry, head: LedgerEntry) -> Obstacle | None:
        model = self.versions.model_name
        reports = await self.ledger.replica_reports(model, entry.generation)
        under_head = await self.ledger.replica_reports(model, head.generation)
        why = why_not_served_by_all(reports, under_head, expected=self.has_servers)
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
        await self.versions.registry.look(known)
        await self.check_files(known)
        return None


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
