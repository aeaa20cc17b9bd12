"""Compare: what the gate should know of two models beside their scores."""

from collections.abc import Awaitable, Iterator
from typing import TypeVar

import structlog

from domain.comparison import Compared, may_be_the_same
from domain.errors import NeverRetry, TryLater
from domain.models import PackageFiles
from domain.ports.dataset_files import DatasetFiles
from domain.promotion_checks import Champion
from domain.run_warnings import RunWarning
from domain.score import Score
from domain.values import Value
from service.champion_run import Origin, origin_of, rows_without_effect
from service.known_versions import known_version
from service.steps.evaluate import Judging, generation_of
from service.steps.outputs import ChampionOutlook

T = TypeVar("T")
log = structlog.get_logger()


class Candidate(Value):
    """The model that asks for the title: its files, and its score on the reference."""

    files: PackageFiles
    score: Score


async def compare(
    candidate: Candidate, champion: ChampionOutlook, judging: Judging, files: DatasetFiles
) -> Compared:
    """Look at a champion that was scored; without one there is little to tell."""
    parts = judging.parts
    known = Compared(
        generation=generation_of(champion),
        reference_rows=parts.reference.rows,
        targets_below_zero=parts.targets_below_zero,
    )
    if not isinstance(champion, Champion):
        return known
    origin = await _origin(champion.generation, judging)
    trained = await _trained_rows(origin, judging, files)
    return known.model_copy(
        update={
            "same_predictions": await _are_the_same(candidate, champion, judging),
            "champion_trained_rows": trained,
            "rows_without_effect": rows_without_effect(origin, judging.config, parts),
            "warnings": tuple(_warnings(champion, trained, parts.reference.rows)),
        }
    )


async def _origin(generation: int, judging: Judging) -> Origin | None:
    ledger, model_name = judging.world.ledger, judging.world.model_name
    entry = await ledger.head(model_name)
    if entry is None or entry.generation != generation:
        entry = next((one for one in await ledger.entries(model_name) if one.generation == generation), None)
    return None if entry is None else await origin_of(entry, judging.world)


async def _trained_rows(origin: Origin | None, judging: Judging, files: DatasetFiles) -> int | None:
    """How many reference rows the champion was trained on; of its own reference it was not on any."""
    if origin is None:
        return None
    reference = judging.parts.reference
    if origin.reference == reference.sha256:
        return 0
    counting = files.count_trained(judging.config, reference, origin.train, origin.train_object)
    return await _or_unknown(counting, judging, unknown=None)


async def _are_the_same(candidate: Candidate, champion: Champion, judging: Judging) -> bool:
    if not may_be_the_same(candidate.score, champion.score):
        return False
    return await _or_unknown(
        _predict_the_same(candidate.files, champion.version, judging), judging, unknown=False
    )


async def _predict_the_same(files: PackageFiles, number: int, judging: Judging) -> bool:
    version = await known_version(judging.world, number)
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
