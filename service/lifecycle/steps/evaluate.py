"""Evaluate: candidate and champion on the same reference bytes, now."""

from dataclasses import dataclass
from typing import Final

from domain.counterparts import Agreement
from domain.datasets import SplitParts
from domain.errors import ModelUnusable, NeverRetry, TryLater
from domain.ledger import LedgerEntry
from domain.metrics import Score
from domain.models import RegisteredVersion
from domain.ports.trainer import Trainer
from domain.promotion_checks import Champion, NoChampion, UnreadableChampion
from domain.resolved_config import ResolvedConfig
from domain.run_record import ChampionOutlook
from service.promotion.alias_watch import AliasWatch
from service.promotion.known_versions import KnownVersions

# Faults of the file that both models are judged on: they are the run's own.
_OF_THE_REFERENCE: Final = frozenset(
    {"reference_digest_mismatch", "dataset_digest_mismatch", "unreadable_dataset"}
)
_LET_READ: Final = "let the worker read the registered model (`laurel doctor` tries it)"
_WAY_OUT: Final = "restore it, or point the alias at a complete version"


@dataclass(frozen=True)
class Judging:
    """What a champion is scored with. `last_try`: a child that dies of the champion is not tried again."""

    config: ResolvedConfig
    parts: SplitParts
    trainer: Trainer
    last_try: bool = False


@dataclass(frozen=True)
class ChampionJudge:
    """Scores the champion of the moment."""

    watch: AliasWatch
    versions: KnownVersions

    async def judge_champion(self, judging: Judging) -> ChampionOutlook:
        """Score the ledger's champion, once the ledger has what people did to the alias."""
        newest = None

        async def read_alias() -> int | None:
            nonlocal newest
            model = await self.watch.registry.registered(self.watch.model_name)
            newest = model.newest if model else None
            return model.alias_version if model else None

        try:
            head, _ = await self.watch.settled_head(read_alias)
        except ModelUnusable as error:
            return UnreadableChampion(why=error.message)
        except NeverRetry as error:
            stopped = error.reason in set(Agreement)
            why = f"the alias cannot be read: {error.message}; {_LET_READ}"
            return UnreadableChampion(why=error.message if stopped else why)
        return await self.score_head(head, judging, newest)

    async def score_head(
        self, head: LedgerEntry | None, judging: Judging, newest: RegisteredVersion | None = None
    ) -> ChampionOutlook:
        """Score the head of the ledger on the run's reference; what cannot be judged is never "no champion".

        A fault of the champion never fails the run. `newest` is a version that the registry has just told.
        """
        if head is None:
            return NoChampion()
        try:
            score = await self._score(head.version, judging, newest)
            return Champion(version=head.version, generation=head.generation, score=score)
        except NeverRetry as error:
            if error.reason in _OF_THE_REFERENCE:
                raise
            why = error.message if error.reason == "foreign_champion" else f"{error.message}; {_WAY_OUT}"
        except TryLater as error:
            if error.waiting_on is not None or not judging.last_try:
                raise
            why = f"scoring version {head.version} failed: {error.message}; {_WAY_OUT}"
        return UnreadableChampion(why=why, generation=head.generation)

    async def _score(self, number: int, judging: Judging, newest: RegisteredVersion | None) -> Score:
        version = await self.versions.known_version(number, newest)
        if version is None:
            raise ModelUnusable(
                "version_missing", f"version {number}, the head of the ledger, is not in the registry"
            )
        return await judging.trainer.score_champion(version, judging.config, judging.parts)


def generation_of(champion: ChampionOutlook) -> int | None:
    """The generation that an outlook was taken of; None when there was none."""
    return None if isinstance(champion, NoChampion) else champion.generation
