"""A model built in this process, as no server does it: for tests of what is done with it afterwards."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from service.adapters.sklearn.row_prediction import RowPredictor
from service.models.load import ModelFolder


def build_here(folder: Path, manifest: Mapping[str, str], trusted_types: Sequence[str]) -> RowPredictor:
    """Raises ModelUnusable."""
    return RowPredictor.of(ModelFolder(str(folder), manifest).open(trusted_types)[0])
