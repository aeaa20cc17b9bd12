"""Checking and publishing the parts of a split: `service.adapters.files.split_parts` as tasks."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from domain.datasets import SplitParts
from service.adapters.files import split_parts


def verify_parts(*, parts: Mapping[str, Any], only: Collection[str] | None = None) -> dict[str, Any]:
    """Check every part, or `only` those, against the recorded digests; `parts` is what `split` returned."""
    split_parts.verify_parts(SplitParts.model_validate(parts), only)
    return {}


def publish_split(*, parts: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """Copy the parts to `splits/vN`, each file whole; `parts` is what `split` returned."""
    split_parts.publish_split(SplitParts.model_validate(parts), Path(folder))
    return {}
