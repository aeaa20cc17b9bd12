"""A person promotes a model that the gate has declined, or that is registered: on record as that decision."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from domain.decisions import CannotDecide, made_under, require_not_overtaken, require_same
from domain.errors import GenerationTaken, ModelUnusable
from domain.ledger import Cause, LedgerEntry
from domain.models import RegisteredVersion
from domain.package_tags import GENERATION_TAG, MANIFEST_TAG, RUN_TAG, candidate_tags
from domain.points import Point, Points
from domain.ports.bars import QuarantineReads
from domain.ports.clock import Clock
from domain.ports.promotion_ledger import PromotionLedger
from domain.promoting import Chosen, gate_said, promotion_entry, require_judged, require_not_quarantined
from domain.run import Run
from domain.run_record import present
from domain.tracker_limits import VERDICT, description_text
from domain.wording import escaped
from service.promotion.alias_watch import AliasWatch, triple_of
from service.promotion.counterparts import CounterpartChecks
from service.promotion.known_versions import KnownVersions
from service.promotion.returnable import CheckFiles, require_fit_or_missing
from service.runtime.lazy_log import LaterLog

log = LaterLog(__name__)


class PromotionOrder(NamedTuple):
    """What a person wants: a registered version by its number, or the model of a run that has ended."""

    subject: int | Run
    reason: str
    actor: str
    key: str


class PersonPromoted(NamedTuple):
    """The entry, and why it is not shown yet."""

    entry: LedgerEntry
    repeated: bool
    unshown: str


@dataclass(frozen=True)
class PersonPromotion:
    """Promotes in one person's name. `show` brings alias and defaults to the head, and says what prevents it.

    Raises CannotDecide; ModelUnusable for what no server could load; NeverRetry when registry or topic do not
    fit the ledger; TryLater while one of them is away: what MLflow does not show cannot be chosen.
    """

    model_name: str
    ledger: PromotionLedger
    clock: Clock
    points: Points
    watch: AliasWatch
    checks: CounterpartChecks
    versions: KnownVersions
    quarantines: QuarantineReads
    check_files: CheckFiles
    allow_foreign: bool
    show: Callable[[], Awaitable[str]]

    async def promote(self, order: PromotionOrder) -> PersonPromoted:
        """Register the model if it is not, append the entry and show it. Safe to repeat under one key."""
        entries = await self.ledger.last(self.model_name)
        seen = entries[-1] if entries else None
        if made_under(order.key, entries) is None:
            require_not_quarantined(order.subject, await self.quarantines.active())
        with suppress(ModelUnusable):  # what the alias names cannot be recorded, and is in the way of nothing
            await self.watch.settled_head()
        while True:
            entries = await self.ledger.last(self.model_name)
            if (made := made_under(order.key, entries)) is not None:
                require_same(made, order.key, same=_is_made_by(order, made))
                return PersonPromoted(made, repeated=True, unshown=await self.show())
            require_not_overtaken(seen, entries)
            with suppress(GenerationTaken):
                return await self._promoted(order, entries[-1] if entries else None)

    async def _promoted(self, order: PromotionOrder, head: LedgerEntry | None) -> PersonPromoted:
        await self.checks.anchor.read()
        found = await require_fit_or_missing(self.checks, head)
        if not found.marked:
            await self.checks.claim()
        chosen = await self._chosen(order, head)
        if head is not None and chosen.version == head.version:
            raise CannotDecide("same_model", f"version {head.version} is the champion already")
        entry = promotion_entry(
            head,
            chosen,
            model_name=self.model_name,
            reason=order.reason,
            actor=order.actor,
            at=self.clock.now(),
            key=order.key,
        )
        await self.points.at(Point.PROMOTE_BEFORE_COMMIT)
        await self.ledger.append(entry)
        log.warning(
            "promoted_by_person", generation=entry.generation, version=entry.version, actor=entry.actor
        )
        await self.points.at(Point.PROMOTE_AFTER_COMMIT)
        return PersonPromoted(entry, repeated=False, unshown=await self.show())

    async def _chosen(self, order: PromotionOrder, head: LedgerEntry | None) -> Chosen:
        if isinstance(order.subject, int):
            version = await self._held(order.subject)
        else:
            require_judged(order.subject)
            version = await self._registered(order, order.subject, head.generation + 1 if head else 1)
        return await self._known(await self._usable(version))

    async def _held(self, number: int) -> RegisteredVersion:
        version = await self.versions.registry.version(self.model_name, number)
        if version is None:
            raise CannotDecide(
                "no_such_version", f"the registry holds no version {number} of {self.model_name}"
            )
        return version

    async def _registered(self, order: PromotionOrder, run: Run, generation: int) -> RegisteredVersion:
        """The version of a run's model; the gate registers only what it promotes."""
        record = run.record
        made, opened, triple = present(record.trained), present(record.opened), present(record.triple)
        package, run_id = made.package, opened.mlflow_run_id
        tags = candidate_tags(
            run.run_id, generation, package.manifest, package.digest, triple.feature_version
        ) | self.versions.signature_tag(run_id, package.digest)
        told = (
            f"**Promoted by {escaped(order.actor)}**: {escaped(order.reason)}\n\n{escaped(gate_said(run))}\n"
        )
        await self.points.at(Point.PROMOTE_BEFORE_REGISTER)
        registry, text = self.versions.registry, description_text(told, VERDICT)
        version = await registry.register(self.model_name, made.model, run_id, tags, description=text)
        if version.tags.get(GENERATION_TAG) != str(generation):  # found: from a try before
            await registry.tag_version(self.model_name, version.version, tags, description=text)
        return version

    async def _usable(self, version: RegisteredVersion) -> RegisteredVersion:
        known = await self.versions.completed(version)
        if MANIFEST_TAG not in known.tags and not self.allow_foreign:
            raise CannotDecide(
                "foreign_model",
                f"Laurel did not make version {version.version}; ALLOW_FOREIGN_CHAMPION=true allows such",
            )
        await self.versions.registry.look(known)
        await self.check_files(known)
        return known

    async def _known(self, version: RegisteredVersion) -> Chosen:
        run = await self.versions.store.get(version.tags[RUN_TAG]) if RUN_TAG in version.tags else None
        run_id = version.mlflow_run_id
        recorded = await self.versions.tracker.recorded(run_id) if run_id else None
        triple = recorded.triple if recorded else None
        return Chosen(
            version=version.version,
            mlflow_run_id=run_id,
            triple=triple or await triple_of(self.ledger, self.model_name, version.version),
            model_digest=version.digest,
            gate_said=gate_said(run),
        )


def _is_made_by(order: PromotionOrder, made: LedgerEntry) -> bool:
    subject = order.subject
    same = (
        subject == made.version if isinstance(subject, int) else subject.mlflow_run_id == made.mlflow_run_id
    )
    return same and made.cause is Cause.OVERRIDE and made.reasons[0] == order.reason
