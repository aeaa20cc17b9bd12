"""The product's tasks with armed points inside: what a worker under test lets its children run."""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from domain.points import Point
from service.adapters.dvc.dataset_versions import version_parts
from service.children.progress import report
from service.heavy.desk import TASKS
from service.tasks import split as split_task
from service.tasks import train as train_task
from service.tasks import version as version_task
from service.tasks.split import run_split
from tests.chaos.points import FOLDER_VARIABLE, ArmedPoints

ARMED_TASKS: Final[Mapping[str, str]] = {
    **TASKS,
    **{name: f"{__name__}:{name}" for name in ("split", "version", "train")},
}


def split(**arguments: Any) -> dict[str, Any]:
    """Split, past armed points."""
    with patch.object(split_task, "run_split", partial(run_split, points=_points())):
        return split_task.split(**arguments)


def version(**arguments: Any) -> dict[str, Any]:
    """Version, past armed points."""
    with patch.object(version_task, "version_parts", partial(version_parts, points=_points())):
        return version_task.version(**arguments)


def train(**arguments: Any) -> dict[str, Any]:
    """Train, past armed points: the task says itself which point it passes."""
    points = _points()

    def told(facts: Mapping[str, Any]) -> None:
        if "point" in facts:
            points.passed(Point(facts["point"]))
        report(facts)

    with patch.object(train_task, "report", told):
        return train_task.train(**arguments)


def _points() -> ArmedPoints:
    return ArmedPoints(Path(os.environ[FOLDER_VARIABLE]))
