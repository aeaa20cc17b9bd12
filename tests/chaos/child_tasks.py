"""The product's tasks with armed points inside: what a worker under test lets its children run."""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from domain.datasets import DatasetHashes, SplitParts
from domain.job_results import TrainedPackage
from domain.points import Point
from service.adapters.dvc.dataset_versions import version_parts
from service.lifecycle.steps import train_job as train_task
from service.lifecycle.steps import version_job as version_task
from service.lifecycle.steps.jobs import SPLIT, TRAIN, VERSION, SplitJob, TrainJob, VersionJob
from service.lifecycle.steps.split_job import run_split
from service.processes.child import report
from tests.chaos.points import FOLDER_VARIABLE, ArmedPoints

ARMED_JOBS: Final[Mapping[str, str]] = {
    ref.path: f"{__name__}:{ref.path.partition(':')[2]}" for ref in (SPLIT, VERSION, TRAIN)
}


def split(job: SplitJob) -> SplitParts:
    """Split, past armed points."""
    return run_split(job, points=_points())


def version(job: VersionJob) -> DatasetHashes:
    """Version, past armed points."""
    with patch.object(version_task, "version_parts", partial(version_parts, points=_points())):
        return version_task.version(job)


def train(job: TrainJob) -> TrainedPackage:
    """Train, past armed points: the job says itself which point it passes."""
    points = _points()

    def told(facts: Mapping[str, Any]) -> None:
        if "point" in facts:
            points.passed(Point(facts["point"]))
        report(facts)

    with patch.object(train_task, "report", told):
        return train_task.train(job)


def _points() -> ArmedPoints:
    return ArmedPoints(Path(os.environ[FOLDER_VARIABLE]))
