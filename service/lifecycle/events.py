"""The announcements of a run, each made from what its steps left."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from domain.announcement import Announcement, announce, run_event_id
from domain.comparison import Compared
from domain.datasets import DatasetFile, DatasetHashes, SplitParts
from domain.errors import NeverRetry
from domain.events import (
    DatasetPart,
    ModelDeclined,
    ModelEvaluated,
    RunEvent,
    SplitCompleted,
    TrainingFailed,
    TrainingRejected,
)
from domain.faults import Fault
from domain.lifecycle import State
from domain.models import OpenedRun
from domain.ports.clock import Clock
from domain.promotion_checks import Champion, UnreadableChampion
from domain.resolved_config import ResolvedConfig
from domain.run import Failure, Run
from domain.run_record import ChampionOutlook, Decided, Evaluated, Trained
from domain.wording import counted
from service.messaging.event_size import refuse_too_large

_LONGEST_MESSAGE: Final = 2000
_MOST_FAULTS: Final = 50


@dataclass(frozen=True)
class Announcer:
    """What an announcement needs: the clock of record, and how large an event Kafka takes."""

    clock: Clock
    max_event_bytes: int


def report(
    run: Run, to: State, event: RunEvent, cause: tuple[State, State] | None, announcer: Announcer
) -> Announcement:
    """Make the event of a transition ready; its id follows from the run and the transition alone.

    Raises NeverRetry `event_too_large` for one that Kafka would refuse: it would hold up all that follows.
    """
    announcement = announce(
        event,
        event_id=run_event_id(run.run_id, f"{run.state}-{to}"),
        at=announcer.clock.now(),
        correlation_id=run.correlation_id,
        causation_id=run_event_id(run.run_id, f"{cause[0]}-{cause[1]}") if cause else run.causation_id,
    )
    refuse_too_large(announcement, announcer.max_event_bytes)
    return announcement


def rejected(run: Run, faults: tuple[Fault, ...], announcer: Announcer) -> Announcement:
    """Announce every fault of a request, and what is allowed."""
    event = TrainingRejected(
        model_name=run.model_name,
        run_id=run.run_id,
        reason=faults[0].code,
        faults=faults,
        request=run.payload,
    )
    try:
        return report(run, State.REJECTED, event, None, announcer)
    except NeverRetry:  # thousands of unknown fields: the run's row has all, and the end must be announced
        brief = event.model_copy(update={"faults": _first_of(faults), "request": {}})
        return report(run, State.REJECTED, brief, None, announcer)


def _first_of(faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    left = len(faults) - _MOST_FAULTS
    message = f"{counted(left, 'more fault', 'more faults')}; the request is too large to repeat here"
    more = Fault(code="too_many_faults", field="request", message=message)
    return tuple(map(_shortened, faults[:_MOST_FAULTS])) + ((more,) if left > 0 else ())


def _shortened(fault: Fault) -> Fault:
    changes = {name: getattr(fault, name)[:_LONGEST_MESSAGE] for name in ("field", "message")}
    return fault.model_copy(update=changes)


def split_completed(
    run: Run,
    config: ResolvedConfig,
    opened: OpenedRun,
    parts: SplitParts,
    hashes: DatasetHashes,
    announcer: Announcer,
) -> Announcement:
    """Announce the parts of a split with their digests."""
    part = _Parts(hashes.files)
    event = SplitCompleted(
        model_name=run.model_name,
        run_id=run.run_id,
        mlflow_run_id=opened.mlflow_run_id,
        versions=config.triple,
        master=part("master", parts.master),
        train=part("train", parts.train),
        reference=part("reference", parts.reference),
        optional_tests={name: part(name, file) for name, file in parts.optional_tests.items()},
        reference_created=parts.reference_created,
        duration_seconds=parts.seconds,
        fates=parts.fates,
        warnings=parts.told_warnings,
    )
    return report(run, State.VERSIONED, event, None, announcer)


class _Parts:
    def __init__(self, hashes: Mapping[str, str]) -> None:
        self._hashes = hashes

    def __call__(self, name: str, file: DatasetFile) -> DatasetPart:
        return DatasetPart(
            path=file.path, sha256=file.sha256, rows=file.rows, dvc_hash=self._hashes.get(name)
        )


def evaluated_event(
    run: Run,
    config: ResolvedConfig,
    opened: OpenedRun,
    trained: Trained,
    evaluated: Evaluated,
    compared: Compared,
    announcer: Announcer,
) -> Announcement:
    """Announce both scores on the reference set, and the candidate's on the optional tests."""
    champion = evaluated.champion
    event = ModelEvaluated(
        model_name=run.model_name,
        run_id=run.run_id,
        mlflow_run_id=opened.mlflow_run_id,
        versions=config.triple,
        reference_digest=evaluated.reference.dataset_digest,
        candidate=evaluated.reference,
        **_champion_fields(champion, compared),
        champion_problem=champion.why if isinstance(champion, UnreadableChampion) else None,
        optional_tests={name: score for name, score in evaluated.candidate.items() if name != "reference"},
        training_seconds=trained.package.seconds,
        evaluation_seconds=evaluated.seconds,
        champion_trained_rows=compared.champion_trained_rows,
        warnings=(*(run.record.split.told_warnings if run.record.split else ()), *compared.warnings),
        metric=compared.metric,
    )
    return report(run, State.EVALUATED, event, (State.SPLIT, State.VERSIONED), announcer)


def declined(
    run: Run,
    config: ResolvedConfig,
    opened: OpenedRun,
    evaluated: Evaluated,
    decided: Decided,
    compared: Compared,
    announcer: Announcer,
) -> Announcement:
    """Announce why the candidate did not become champion."""
    event = ModelDeclined(
        model_name=run.model_name,
        run_id=run.run_id,
        mlflow_run_id=opened.mlflow_run_id,
        versions=config.triple,
        decision=decided.verdict.decision,
        reasons=decided.verdict.reasons,
        checks=decided.verdict.checks,
        candidate=evaluated.reference,
        **_champion_fields(decided.champion, compared),
        champion_trained_rows=compared.champion_trained_rows,
        metric=decided.verdict.metric,
    )
    return report(run, State.DECLINED, event, (State.TRAINED, State.EVALUATED), announcer)


def failed(run: Run, failure: Failure, announcer: Announcer) -> Announcement:
    """Announce which step could not go on, and why."""
    event = TrainingFailed(
        model_name=run.model_name,
        run_id=run.run_id,
        mlflow_run_id=run.mlflow_run_id,
        versions=run.record.triple,
        state=run.state.value,
        step=run.next_step.value,
        reason=failure.reason,
        message=failure.message,
        facts=failure.facts,
        attempts=run.attempts,
    )
    try:
        return report(run, State.FAILED, event, None, announcer)
    except NeverRetry:  # the facts are in the run's row; the announcement must go out
        brief = event.model_copy(update={"facts": {}, "message": failure.message[:_LONGEST_MESSAGE]})
        return report(run, State.FAILED, brief, None, announcer)


def _champion_fields(champion: ChampionOutlook, compared: Compared) -> dict[str, object]:
    """Name the champion, whether it could be judged or not: it stays."""
    return {
        "champion": champion.score if isinstance(champion, Champion) else None,
        "champion_version": compared.version,
        "champion_generation": compared.generation,
    }
