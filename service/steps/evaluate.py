"""Evaluate: candidate and champion on the same reference bytes, now."""

from dataclasses import dataclass
from typing import Final

from domain.counterparts import Agreement
from domain.datasets import SplitParts
from domain.errors import ModelUnusable, NeverRetry, TryLater
from domain.ledger import LedgerEntry
from domain.ports.trainer import Trainer
from domain.promotion_checks import Champion, NoChampion, UnreadableChampion
from domain.resolved_config import ResolvedConfig
from domain.score import Score
from service.alias_watch import settled_head
from service.known_versions import known_version
from service.steps.outputs import ChampionOutlook
from service.world import World

# Faults of the file that both models are judged on: they are the run's own.
_OF_THE_REFERENCE: Final = frozenset(
    {"reference_digest_mismatch", "dataset_digest_mismatch", "unreadable_dataset"}
)
_WAY_OUT: Final = "restore it, or point the alias at a version that is whole"


@dataclass(frozen=True)
class Judging:
    """What a champion is scored with. `last_try`: a child that dies of the champion is not tried again."""

    config: ResolvedConfig
    parts: SplitParts
    world: World
    trainer: Trainer
    last_try: bool = False


async def judge_champion(judging: Judging) -> ChampionOutlook:
    """Score whoever is champion now; the ledger says who, behind what people did to the alias."""
    try:
        head, _ = await settled_head(judging.world)
    except ModelUnusable as error:
        return UnreadableChampion(why=error.message)
    except NeverRetry as error:
        stopped = error.reason in set(Agreement)
        return UnreadableChampion(
            why=error.message if stopped else f"the alias cannot be read: {error.message}"
        )
    return await score_head(head, judging)


async def score_head(head: LedgerEntry | None, judging: Judging) -> ChampionOutlook:
    """Score the head of the ledger on the run's reference; what cannot be judged is never "no champion".

    Whatever is wrong with the champion is no fault of the run: it never fails by it.
    """
    if head is None:
        return NoChampion()
    try:
        return Champion(
            version=head.version, generation=head.generation, score=await _score(head.version, judging)
        )
    except NeverRetry as error:
        if error.reason in _OF_THE_REFERENCE:
            raise
        why = error.message if error.reason == "foreign_champion" else f"{error.message}; {_WAY_OUT}"
    except TryLater as error:
        if error.waiting_on is not None or not judging.last_try:
            raise
        why = f"scoring version {head.version} was tried in vain: {error.message}; {_WAY_OUT}"
    return UnreadableChampion(why=why, generation=head.generation)


async def _score(number: int, judging: Judging) -> Score:
    version = await known_version(judging.world, number)
    if version is None:
        raise ModelUnusable(
            "version_missing", f"version {number}, the head of the ledger, is not in the registry"
        )
    return await judging.trainer.score_champion(version, judging.config, judging.parts)


def generation_of(champion: ChampionOutlook) -> int | None:
    """The generation that an outlook was taken of; None when there was none."""
    return None if isinstance(champion, NoChampion) else champion.generation
