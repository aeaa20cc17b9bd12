"""Decide: the promotion policy says what to do; a promotion is one insert into the ledger."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from domain.comparison import NOTHING_COMPARED, Compared
from domain.counterparts import Agreement, Comparison
from domain.errors import NeverRetry
from domain.ledger import Cause, LedgerEntry, next_entry
from domain.models import LoggedModel, OpenedRun
from domain.package_tags import GENERATION_TAG, candidate_tags
from domain.points import Point, Points
from domain.ports.clock import Clock
from domain.ports.model_registry import ModelRegistry
from domain.ports.promotion_ledger import PromotionLedger
from domain.promotion_checks import Champion, Decision, PromotionPolicy, UnreadableChampion, Verdict
from domain.promotion_checks import decide as judge
from domain.quarantine import Recipe
from domain.resolved_config import ResolvedConfig
from domain.run import Run, run_name
from domain.run_record import ChampionOutlook, Decided, Evaluated, Trained
from domain.tracker_limits import VERDICT, description_text
from domain.values import Sha256
from domain.wording import escaped
from service.lifecycle.steps.evaluate import generation_of
from service.promotion.bars import PromotionBars, Repeats, repeats_nothing
from service.promotion.counterparts import CounterpartChecks
from service.promotion.known_versions import KnownVersions

ScoreHead = Callable[[LedgerEntry | None], Awaitable[ChampionOutlook]]
Compare = Callable[[ChampionOutlook], Awaitable[Compared]]
Verify = Callable[[], Awaitable[None]]


async def _nothing(champion: ChampionOutlook) -> Compared:
    del champion
    return NOTHING_COMPARED


async def _verified() -> None:
    """Nothing is left to be verified."""


@dataclass(frozen=True)
class Inputs:
    """What a decision is made of. `verified` waits until a server would serve the candidate, or raises."""

    run: Run
    config: ResolvedConfig
    opened: OpenedRun
    trained: Trained
    evaluated: Evaluated
    train_digest: Sha256 | None = None  # None: nobody knows what the candidate was trained on
    is_new: bool = False  # nobody can have registered this candidate
    compare: Compare = _nothing
    repeats: Repeats = repeats_nothing
    verified: Verify = _verified

    @property
    def recipe(self) -> Recipe | None:
        """What the candidate was made by."""
        if self.train_digest is None:
            return None
        return Recipe(triple=self.config.triple, train_digest=self.train_digest)


@dataclass(frozen=True)
class DecideStep:
    """Decides on candidates, under the name of `worker`."""

    model_name: str
    worker: str
    policy: PromotionPolicy
    ledger: PromotionLedger
    registry: ModelRegistry
    clock: Clock
    points: Points
    checks: CounterpartChecks
    versions: KnownVersions
    bars: PromotionBars

    async def decide(self, inputs: Inputs, score_head: ScoreHead) -> tuple[Decided, LedgerEntry | None]:
        """Judge against the head that stands now, and register what won. The caller appends the entry.

        If the head moved since the evaluation, the new champion is scored here on the same bytes. If the
        alias could not be read, nobody knows who the champion is: the ledger alone does not say. Nothing is
        registered before ledger, registry and topic were compared and the candidate is verified, nor what is
        quarantined or held.
        """
        head = await self.ledger.head(self.model_name)
        champion = inputs.evaluated.champion
        if not _alias_unread(champion) and generation_of(champion) != (head.generation if head else None):
            champion = await score_head(head)
        compared = await inputs.compare(champion)
        verdict = judge(self.policy, inputs.evaluated.reference, champion, compared)
        verdict = await self.bars.examined(verdict, inputs.recipe, inputs.repeats)
        await self.points.at(Point.DECIDE_AFTER_BARS)
        if verdict.decision is not Decision.PROMOTE:
            await inputs.verified()
            return Decided(verdict=verdict, champion=champion), None
        found = await self.checks.verify(head)
        await inputs.verified()
        await self.points.at(Point.DECIDE_AFTER_COMPARISON)
        if not found.fits:
            return self._stopped(inputs, head, found), None
        generation = head.generation + 1 if head else 1
        version = await self._register(inputs, generation, verdict)
        if not found.marked:
            await self.checks.claim()
        await self.points.at(Point.DECIDE_AFTER_REGISTER)
        decided = Decided(verdict=verdict, champion=champion, version=version, generation=generation)
        return decided, self._entry(inputs, decided, head)

    def _stopped(self, inputs: Inputs, head: LedgerEntry | None, found: Comparison) -> Decided:
        """Promotions stop: nothing is registered, since a restored registry would reuse a version's number.

        Raises NeverRetry `ledger_broken`: only a backup fixes that.
        """
        if found.agreement is Agreement.LEDGER_BROKEN:
            raise NeverRetry("ledger_broken", found.message, ledger=found.ledger, seen=found.seen)
        champion = UnreadableChampion(why=found.message, generation=head.generation if head else None)
        verdict = judge(self.policy, inputs.evaluated.reference, champion)
        return Decided(verdict=verdict, champion=champion)

    async def _register(self, inputs: Inputs, generation: int, verdict: Verdict) -> int:
        model: LoggedModel = inputs.trained.model
        opened, is_new = inputs.opened, inputs.is_new
        signature = self.versions.signature_tag(opened.mlflow_run_id, inputs.trained.package.digest)
        tags = version_tags(inputs, generation) | signature
        description = version_description(inputs, generation, verdict)
        version = await self.registry.register(
            self.model_name, model, opened.mlflow_run_id, tags, description=description, is_new=is_new
        )
        if version.tags.get(GENERATION_TAG) != str(generation):  # found: from a try before the head moved
            await self.registry.tag_version(self.model_name, version.version, tags, description=description)
        return version.version

    def _entry(self, inputs: Inputs, decided: Decided, head: LedgerEntry | None) -> LedgerEntry:
        champion = decided.champion
        return next_entry(
            self.model_name,
            head,
            version=decided.version or 0,
            cause=Cause.GATE,
            run_id=inputs.run.run_id,
            mlflow_run_id=inputs.opened.mlflow_run_id,
            correlation_id=inputs.run.correlation_id,
            triple=inputs.config.triple,
            candidate_score=inputs.evaluated.reference,
            champion_score=champion.score if isinstance(champion, Champion) else None,
            policy=self.policy,
            reasons=decided.verdict.reasons,
            actor=self.worker,
            at=self.clock.now(),
            model_digest=inputs.trained.package.digest,
        )


def _alias_unread(champion: ChampionOutlook) -> bool:
    return isinstance(champion, UnreadableChampion) and champion.generation is None


def version_description(inputs: Inputs, generation: int, verdict: Verdict) -> str:
    """The verdict as Markdown, for those who open the version's page."""
    name = run_name(inputs.run.run_id, inputs.config.triple)
    reasons = "\n".join(f"- {escaped(reason)}" for reason in verdict.reasons)
    figure = inputs.evaluated.reference.number(verdict.metric or "")
    judged = f"{verdict.metric} {figure:.6g}" if figure is not None else "no figure"
    text = f"**{verdict.decision.value}**, generation {generation}, by run {name} ({judged})\n\n{reasons}\n"
    return description_text(text, VERDICT)


def version_tags(inputs: Inputs, generation: int) -> dict[str, str]:
    """What a server needs to fetch a version and to trust what it fetched."""
    package, features = inputs.trained.package, inputs.config.triple.feature_version
    return candidate_tags(inputs.run.run_id, generation, package.manifest, package.digest, features)
