"""The split step: what the master holds, contract check, split, and every file whole and under its digest."""

import time
from contextlib import ExitStack
from pathlib import Path

from domain.datasets import DatasetFile, SplitParts
from domain.errors import NeverRetry
from domain.job_results import MasterShape
from domain.points import NO_POINTS, Point, Points
from domain.split_rule import REFERENCE, TRAIN
from service.adapters.files import split_parts
from service.adapters.files.atomic import AtomicFiles, Draft
from service.adapters.files.scratch import Scratch
from service.adapters.files.split_parts import (
    MASTER,
    OPTIONAL_TESTS,
    SPLIT,
    TRAIN_FILE,
    copy_snapshot,
    owner_of,
    remove_other_tests,
)
from service.adapters.polars.contract_check import Observation, sentence
from service.adapters.polars.frames import Dataset, open_dataset
from service.adapters.polars.inspection import check_header, inspect
from service.adapters.polars.splitting import Plan, fates_of
from service.adapters.polars.survey import MasterSurvey
from service.lifecycle.steps.jobs import InspectJob, PublishJob, SplitJob
from service.lifecycle.steps.reference_job import (
    Reference,
    ReferenceAdoption,
    adopted_reference,
    created_reference,
    is_there,
)
from service.lifecycle.steps.split_warnings import Oddities, refuse_unknown_localities, split_warnings


def split(job: SplitJob) -> SplitParts:
    """Split the master into the run's own folder. Safe to repeat.

    Leaves in `run_folder`: `master.parquet` (the bytes that were split), `split/train.parquet`,
    `split/optional_tests/<name>.parquet`; and the reference at its place, unless it is there.

    Raises NeverRetry `unreadable_dataset`, `master_changing`, `data_contract` (with the report),
    `empty_train`, `empty_reference`, `locality_without_rows`, `reference_digest_mismatch`,
    `reference_rule_mismatch`, `train_reference_overlap`; TryLater `disk_full`, `file_error`.
    """
    return run_split(job)


def run_split(job: SplitJob, files: AtomicFiles | None = None, points: Points = NO_POINTS) -> SplitParts:
    """Do what `split` says; writer and points are arguments so that a test can break them."""
    started = time.perf_counter()
    writer = files or AtomicFiles()
    check_header(job.master, job.limits)
    with writer.draft(job.run_folder / MASTER, owner_of(job.run_folder)) as snapshot:
        copy_snapshot(job.master, snapshot)
        dataset = open_dataset(snapshot.temporary, job.limits, called=job.master)
        with ExitStack() as stack:
            paths, owner = _paths(job), owner_of(job.run_folder)
            drafts = {name: stack.enter_context(writer.draft(path, owner)) for name, path in paths.items()}
            with Scratch(job.run_folder, writer) as scratch:
                survey = MasterSurvey(dataset, job.contract, job.rules, scratch, drafts)
                points.passed(Point.SPLIT_AFTER_SPILL)
            report = _report(job, dataset, survey.observation)
            plan = survey.plan()
            oddities = Oddities(survey.localities_without_rows(), survey.period_form())
            train, tests, reference = _settled(job, plan, oddities, snapshot, drafts, points)
    remove_other_tests(job.run_folder / SPLIT, tests, writer)
    fates = fates_of(plan.counts, reference.in_master)
    parts = SplitParts(
        master=_file(snapshot, dataset.rows),
        train=train,
        reference=reference.file,
        optional_tests=tests,
        reference_created=reference.created,
        warnings=(),
        statistics={
            "rows": dataset.rows,
            "columns": survey.observation.statistics,
            "fates": fates.model_dump(mode="json"),
            "reference": {"rows_not_in_master": reference.gone, "targets_below_zero": reference.below_zero},
        },
        contract_report=report,
        seconds=time.perf_counter() - started,
    )
    return parts.warned(*split_warnings(job.rules, plan.rows, fates, reference, oddities))


def _report(job: SplitJob, dataset: Dataset, observation: Observation) -> dict[str, object]:
    """Say what the contract check found; a violation ends the run."""
    violations = observation.violations
    report = {"contract": job.contract.version, "rows": dataset.rows, "violations": violations}
    if violations:
        said = "; ".join(map(sentence, violations))
        message = f"the master breaks data contract {job.contract.version}: {said}"
        raise NeverRetry("data_contract", message[:2000], where="master", **report)
    return report


def _settled(
    job: SplitJob,
    plan: Plan,
    oddities: Oddities,
    snapshot: Draft,
    drafts: dict[str, Draft],
    points: Points,
) -> tuple[DatasetFile, dict[str, DatasetFile], Reference]:
    """Settle the reference, and only then let the run's own files appear."""
    made = drafts.pop(REFERENCE, None)
    _refuse_empty(plan, (TRAIN,) if made is None else (TRAIN, REFERENCE))
    if made is not None:
        refuse_unknown_localities(job.rules, oddities)
    points.passed(Point.SPLIT_AFTER_TEMP)
    created = made is not None and made.create_once()
    reference = _made(plan, made) if made and created else _adopted(job, plan)
    own = {name: draft for name, draft in drafts.items() if plan.rows[name]}
    for draft in (snapshot, *own.values()):
        draft.replace()
    points.passed(Point.SPLIT_AFTER_RENAME)
    files = {name: _file(draft, plan.rows[name]) for name, draft in own.items()}
    return files.pop(TRAIN), files, reference


def _made(plan: Plan, draft: Draft) -> Reference:
    return created_reference(_file(draft, plan.rows[REFERENCE]), plan)


def _adopted(job: SplitJob, plan: Plan) -> Reference:
    adoption = ReferenceAdoption(
        plan, job.rules, job.contract, job.features, job.limits, job.expected_reference
    )
    return adopted_reference(job.reference, adoption)


def _refuse_empty(plan: Plan, names: tuple[str, ...]) -> None:
    for name in names:
        if not plan.rows[name]:
            message = f"the split leaves no row for {name}, of {plan.dataset.rows} in the master"
            raise NeverRetry(f"empty_{name}", message, rows=plan.dataset.rows)


def _paths(job: SplitJob) -> dict[str, Path]:
    """Where each part goes that may come of it; a reference that is there is never written."""
    folder = job.run_folder / SPLIT
    adopt = is_there(job.reference) or job.expected_reference is not None
    tests = {name: folder / OPTIONAL_TESTS / f"{name}.parquet" for name, _ in job.rules.moving_tests}
    return {TRAIN: folder / TRAIN_FILE, **tests, **({} if adopt else {REFERENCE: job.reference})}


def _file(draft: Draft, rows: int) -> DatasetFile:
    return DatasetFile(path=str(draft.path), sha256=draft.sha256, bytes=draft.size, rows=rows)


def inspect_master(job: InspectJob) -> MasterShape:
    """Read the footer. Raises NeverRetry `unreadable_dataset`, TryLater `file_error`."""
    found = inspect(job.master, job.limits)
    return MasterShape(columns=dict(found.columns), rows=found.rows, bytes=found.bytes)


def publish_split(job: PublishJob) -> None:
    """Copy the parts to `splits/vN`, each file whole."""
    split_parts.publish_split(job.parts, job.folder)
