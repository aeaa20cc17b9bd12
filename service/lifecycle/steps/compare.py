"""Compare: what the gate should know of two models beside their scores."""

from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import structlog

from domain.comparison import Compared, may_be_the_same
from domain.errors import NeverRetry, TryLater
from domain.ledger import LedgerEntry
from domain.metrics import Score
from domain.models import PackageFiles
from domain.ports.dataset_files import DatasetFiles
from domain.ports.model_registry import ModelRegistry
from domain.ports.promotion_ledger import PromotionLedger
from domain.ports.run_store import RunStore
from domain.promotion_checks import Champion, NoChampion
from domain.quarantine import Quarantine, has_its_score, may_be_it
from domain.run_record import ChampionOutlook
from domain.run_warnings import RunWarning
from domain.values import Value
from service.lifecycle.steps.evaluate import Judging, generation_of
from service.promotion.champion_run import Origin, origin_of, rows_without_effect
from service.promotion.known_versions import KnownVersions

T = TypeVar("T")
log = structlog.get_logger()


class Candidate(Value):
    """The model that asks for the title: its files, and its score on the reference."""

    files: PackageFiles
    score: Score


@dataclass(frozen=True)
class CompareStep:
    """Compares a candidate with the champion. `metric` is the gate's."""

    model_name: str
    metric: str
    ledger: PromotionLedger
    registry: ModelRegistry
    store: RunStore
    versions: KnownVersions

    async def compare(
        self, candidate: Candidate, champion: ChampionOutlook, judging: Judging, files: DatasetFiles
    ) -> Compared:
        """Look at a champion that was scored; without one there is little to tell."""
        parts, entry = judging.parts, await self._entry(champion)
        known = Compared(
            generation=entry.generation if entry else generation_of(champion),
            version=entry.version if entry else await self._named(champion, judging),
            metric=self.metric,
            reference_rows=parts.reference.rows,
            targets_below_zero=parts.targets_below_zero,
        )
        if not isinstance(champion, Champion):
            return known
        origin = None if entry is None else await origin_of(entry, self.store)
        trained = await self._trained_rows(origin, judging, files)
        return known.model_copy(
            update={
                "same_predictions": await self._are_the_same(candidate, champion, judging),
                "champion_trained_rows": trained,
                "rows_without_effect": rows_without_effect(origin, judging.config, parts),
                "warnings": tuple(_warnings(champion, trained, parts.reference.rows)),
            }
        )

    async def repeats(self, candidate: Candidate, judging: Judging, quarantine: Quarantine) -> bool:
        """Say whether a candidate is the model that is quarantined: by every prediction, as with a champion.

        Where its version cannot be asked any more, a score that agrees on the same bytes says so.
        """
        if not may_be_it(candidate.score, quarantine):
            return False
        asked = self._predict_the_same(candidate.files, quarantine.version, judging)
        return await _or_unknown(asked, judging, unknown=has_its_score(candidate.score, quarantine))

    async def _entry(self, champion: ChampionOutlook) -> LedgerEntry | None:
        """The champion's entry; of one of which nobody knows the generation, the head."""
        if isinstance(champion, NoChampion):
            return None
        ledger, model_name, generation = self.ledger, self.model_name, champion.generation
        head = await ledger.head(model_name)
        if head is None or generation in {None, head.generation}:
            return head
        return None if generation is None else await ledger.entry(model_name, generation)

    async def _named(self, champion: ChampionOutlook, judging: Judging) -> int | None:
        """What the alias names before there is a ledger, where that could not become its first entry."""
        if isinstance(champion, NoChampion):
            return None
        return await _or_unknown(self.registry.alias_version(self.model_name), judging, unknown=None)

    async def _trained_rows(self, origin: Origin | None, judging: Judging, files: DatasetFiles) -> int | None:
        """How many reference rows the champion was trained on; of its own reference it was not on any."""
        if origin is None:
            return None
        reference = judging.parts.reference
        if origin.reference == reference.sha256:
            return 0
        counting = files.count_trained(judging.config, reference, origin.train, origin.train_object)
        return await _or_unknown(counting, judging, unknown=None)

    async def _are_the_same(self, candidate: Candidate, champion: Champion, judging: Judging) -> bool:
        if not may_be_the_same(candidate.score, champion.score):
            return False
        return await _or_unknown(
            self._predict_the_same(candidate.files, champion.version, judging), judging, unknown=False
        )

    async def _predict_the_same(self, files: PackageFiles, number: int, judging: Judging) -> bool:
        version = await self.versions.known_version(number)
        if version is None:
            return False
        return await judging.trainer.same_predictions(version, files, judging.config, judging.parts)


async def _or_unknown(asked: Awaitable[T], judging: Judging, *, unknown: T) -> T:
    """What is said beside the scores never costs a run its end."""
    try:
        return await asked
    except NeverRetry as error:
        log.warning("not_compared", reason=error.reason, message=error.message)
    except TryLater as error:
        if error.waiting_on is not None or not judging.last_try:
            raise
        log.warning("not_compared", reason=error.reason, message=error.message)
    return unknown


def _warnings(champion: Champion, trained: int | None, rows: int) -> Iterator[RunWarning]:
    if trained:
        yield RunWarning(
            code="champion_trained_on_reference",
            message=f"{trained} of {rows} reference rows trained the champion (version {champion.version}), "
            "which was made by another split: its score is better than it would be on rows that it never saw",
            facts={"rows": trained, "of": rows, "version": champion.version},
        )
