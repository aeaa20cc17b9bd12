"""What Laurel 0.1.0 did otherwise: its packages did not say of which run they are."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from domain.job_results import TrainedPackage
from service.lifecycle.steps import train_job
from service.lifecycle.steps.jobs import TRAIN, TrainJob

OLDER_JOBS: Final[Mapping[str, str]] = {TRAIN.path: f"{__name__}:train"}


def train(job: TrainJob) -> TrainedPackage:
    """Train, and tell the package nothing of its record."""
    return train_job.train(replace(job, record=None))
