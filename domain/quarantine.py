"""Quarantine: what was rolled away from is not promoted again, until a person lifts that."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from domain.comparison import SAME_RELATIVE, SAME_RMSLE, may_be_the_same
from domain.errors import NeverRetry
from domain.hold import barred
from domain.ledger import LedgerEntry
from domain.metrics import Score
from domain.promotion_checks import Decision, Verdict
from domain.run_actions import Actor
from domain.values import Sha256, Value, VersionTriple
from domain.wording import iso_time

NOT_QUARANTINED: Final = "not_quarantined"


class Recipe(Value):
    """What a model is made by: a fit is repeatable, so the same versions on the same bytes make it again."""

    triple: VersionTriple
    train_digest: Sha256

    def __str__(self) -> str:
        """Read as one word, by which the database compares: `1/1/3/<digest>`."""
        triple = self.triple
        versions = (triple.split_version, triple.feature_version, triple.model_version)
        return "/".join((*map(str, versions), self.train_digest))


class Lift(Value):
    """How a quarantine ended."""

    lift_id: str
    reason: str
    actor: Actor
    at: datetime


class Quarantine(Value):
    """A generation that a rollback left; `by_generation` is the rollback's own.

    `recipe` is None where no run of ours made the model. `score` is its score on the reference at its time.
    """

    model_name: str
    generation: int
    version: int
    by_generation: int
    reason: str
    actor: str
    at: datetime
    recipe: Recipe | None = None
    score: Score | None = None
    run_id: str | None = None
    lift: Lift | None = None

    @property
    def told(self) -> str:
        """Say it in a sentence."""
        return (
            f"version {self.version} (generation {self.generation}) is quarantined "
            f"since {iso_time(self.at)}: {self.actor} rolled back from it with generation "
            f"{self.by_generation}: {self.reason}"
        )

    @property
    def way_out(self) -> str:
        """Say how it ends."""
        return f"allow it again with `laurel quarantine lift {self.generation} --reason …`"


class CannotLift(NeverRetry):
    """That generation is not quarantined, or the id is that of another lift."""


def quarantines_by(
    rollback: LedgerEntry, rolled_away: Sequence[LedgerEntry], recipes: Mapping[int, Recipe]
) -> tuple[Quarantine, ...]:
    """What a rollback quarantines: each version that it leaves, but the one that it returns to.

    `recipes` are known by generation. A version that stood more than once is quarantined as it stood last.
    """
    left = {entry.version: entry for entry in rolled_away if entry.version != rollback.version}
    return tuple(
        Quarantine(
            model_name=rollback.model_name,
            generation=entry.generation,
            version=entry.version,
            by_generation=rollback.generation,
            reason=rollback.reasons[0],
            actor=rollback.actor,
            at=rollback.at,
            recipe=recipes.get(entry.generation),
            score=entry.candidate_score,
            run_id=entry.run_id,
        )
        for entry in sorted(left.values(), key=lambda entry: entry.generation)
    )


def same_recipe(recipe: Recipe | None, quarantines: Iterable[Quarantine]) -> Quarantine | None:
    """The quarantine of a model that was made by this very recipe."""
    return next((one for one in quarantines if recipe is not None and one.recipe == recipe), None)


def quarantine_of_version(version: int, quarantines: Iterable[Quarantine]) -> Quarantine | None:
    """The quarantine of a registered version."""
    return next((one for one in quarantines if one.version == version), None)


def may_be_it(score: Score, quarantine: Quarantine) -> bool:
    """False when the scores alone show that a candidate is another model: then neither is asked anything."""
    known = quarantine.score
    if known is None or known.dataset_digest != score.dataset_digest:
        return True
    first, second = score.number("rmsle"), known.number("rmsle")
    return first is None or second is None or abs(first - second) <= SAME_RMSLE


def has_its_score(score: Score, quarantine: Quarantine) -> bool:
    """True when both were scored on the same bytes, and agree."""
    known = quarantine.score
    return known is not None and may_be_the_same(score, known)


def quarantined(verdict: Verdict, quarantine: Quarantine | None, *, by_recipe: bool) -> Verdict:
    """Make PROMOTE QUARANTINED for what was rolled away from; any other verdict stays what it is."""
    if quarantine is None or verdict.decision is not Decision.PROMOTE:
        return verdict
    same = (
        "the same recipe (versions and training data)"
        if by_recipe
        else f"the same model (every prediction on the reference agrees within {SAME_RELATIVE:g} relative)"
    )
    detail = f"{same}: {quarantine.told}; train with other versions or data, or {quarantine.way_out}"
    return barred(verdict, Decision.QUARANTINED, NOT_QUARANTINED, detail)
