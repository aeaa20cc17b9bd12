"""What Laurel 0.1.0 did otherwise: its packages did not say of which run they are."""

from collections.abc import Mapping
from typing import Any, Final

from service.heavy.desk import TASKS
from service.tasks import train as train_task

OLDER_TASKS: Final[Mapping[str, str]] = {**TASKS, "train": f"{__name__}:train"}


def train(**arguments: Any) -> dict[str, Any]:
    """Train, and tell the package nothing of its record."""
    return train_task.train(**{**arguments, "record": None})
