"""Evaluate: candidate and champion on the same reference bytes, now."""

from domain.datasets import SplitParts
from domain.errors import ModelUnusable, NeverRetry
from domain.ledger import LedgerEntry
from domain.ports.trainer import Trainer
from domain.promotion_checks import Champion, NoChampion, UnreadableChampion
from domain.resolved_config import ResolvedConfig
from service.alias_watch import settled_head
from service.steps.outputs import ChampionOutlook
from service.world import World


async def judge_champion(
    config: ResolvedConfig, parts: SplitParts, world: World, trainer: Trainer
) -> ChampionOutlook:
    """Score whoever is champion now; the ledger says who, behind what people did to the alias."""
    try:
        head, _ = await settled_head(world)
    except NeverRetry as error:
        return UnreadableChampion(why=f"the alias cannot be read: {error.message}")
    return await score_head(head, config, parts, world, trainer)


async def score_head(
    head: LedgerEntry | None, config: ResolvedConfig, parts: SplitParts, world: World, trainer: Trainer
) -> ChampionOutlook:
    """Score the head of the ledger on the run's reference; what cannot be judged is never "no champion"."""
    if head is None:
        return NoChampion()
    version = await world.registry.version(world.model_name, head.version)
    if version is None:
        return UnreadableChampion(
            why=f"version {head.version}, the head of the ledger, is not in the registry",
            generation=head.generation,
        )
    try:
        score = await trainer.score_champion(version, config, parts)
    except ModelUnusable as error:
        return UnreadableChampion(why=error.message, generation=head.generation)
    return Champion(version=head.version, generation=head.generation, score=score)


def generation_of(champion: ChampionOutlook) -> int | None:
    """The generation that an outlook was taken of; None when there was none."""
    return None if isinstance(champion, NoChampion) else champion.generation
