"""A person goes on after a restore: one entry above every number that was used, for what is served now."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from domain.counterparts import Agreement, Counterparts
from domain.errors import GenerationTaken, ModelUnusable
from domain.ledger import LedgerEntry, recovery_entry
from domain.ports.clock import Clock
from domain.ports.inference_servers import InferenceServers
from domain.ports.model_registry import ModelRegistry
from domain.ports.promotion_ledger import Announcements, PromotionLedger
from service.promotion.alias_watch import triple_of
from service.promotion.counterparts import CounterpartChecks
from service.promotion.known_versions import FoundVersion, KnownVersions
from service.promotion.projector import LedgerProjector
from service.promotion.survey import Survey, survey

_MOST_NAMED: Final = 20


class AcceptedRecovery(NamedTuple):
    """What was appended, and why alias and defaults do not show it yet."""

    survey: Survey
    entry: LedgerEntry | None = None
    unshown: str = ""


@dataclass(frozen=True)
class Recovery:
    """Looks at one model's ledger and its counterparts, and goes on when a person says so.

    Raises TryLater while one of them is away: what is not asked cannot be accepted.
    """

    model_name: str
    worker: str
    ledger: PromotionLedger
    registry: ModelRegistry
    clock: Clock
    checks: CounterpartChecks
    versions: KnownVersions
    projector: LedgerProjector
    announcements: Announcements
    servers: InferenceServers | None = None

    async def survey(self) -> Survey:
        """Ask everybody, and change nothing; ask again where a promotion came meanwhile."""
        return await survey(self.checks, self.announcements, self.servers)

    async def accept(self, reason: str) -> AcceptedRecovery:
        """Append the recovery if anything does not fit, and bring alias, defaults and announcement to it.

        Safe to repeat. Raises NeverRetry for a chain that is broken in itself, or when nothing can be named.
        """
        while True:
            found = await self.survey()
            if found.comparison.fits:
                return AcceptedRecovery(found)
            entry = await self._entry(found, reason)
            try:
                await self.ledger.append(entry)
            except GenerationTaken:
                continue
            return AcceptedRecovery(found, entry, await self.projector.why_not_shown())

    async def _entry(self, survey: Survey, reason: str) -> LedgerEntry:
        """Take the model over first: until then another deployment goes on with it."""
        said = survey.said
        chosen = await self._chosen(said)
        await self.registry.mark(self.model_name, said.ledger_id)
        version, run = chosen.version, chosen.run
        triple = (run.triple if run else None) or await triple_of(
            self.ledger, self.model_name, version.version
        )
        return recovery_entry(
            self.model_name,
            said.head,
            highest=survey.highest,
            version=version.version,
            triple=triple,
            mlflow_run_id=version.mlflow_run_id if triple else None,
            model_digest=version.digest,
            reasons=(reason, _lost(survey)),
            actor=self.worker,
            at=self.clock.now(),
        )

    async def _chosen(self, said: Counterparts) -> FoundVersion:
        """What the alias names: production serves it; else the newest of the ledger that is still there."""
        if said.alias_version is not None:
            return await self.versions.usable_version(said.alias_version.version)
        for entry in reversed(await self.ledger.entries(self.model_name)):
            held = await self.registry.version(self.model_name, entry.version)
            if held is not None and held.mlflow_run_id == entry.mlflow_run_id:
                return await self.versions.usable_version(entry.version)
        raise ModelUnusable(
            "alias_unusable",
            "there is no alias, and the registry holds no version of this ledger: point the alias at the "
            "version that production should serve, then accept again. If no version is left, set "
            "another MLFLOW_MODEL_NAME",
        )


def _lost(survey: Survey) -> str:
    """Name what the ledger lacks, or what the registry lacks of it."""
    found, said = survey.comparison, survey.said
    told = {one.generation: one.version for one in survey.announced if one.generation > said.generation}
    names = [f"generation {number} (version {version})" for number, version in sorted(told.items())]
    if found.agreement is Agreement.HEAD_MISSING and said.head is not None:
        names.append(f"version {said.head.version} of the registry")
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    lost = ", ".join(names[:_MOST_NAMED]) or "entries that are no longer announced"
    return (
        f"{found.agreement}: the head was generation {found.ledger}, and numbers up to {survey.highest} were "
        f"used; lost: {lost}{more}"
    )
