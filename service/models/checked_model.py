"""A model as a server takes it: the right files, rules for every feature, and the answers that were recorded.

Pure, so that the worker can ask beforehand whether a server would take its candidate.
"""

import re
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, Final, NamedTuple

from domain.errors import ModelUnusable
from service.adapters.mlflow.package_format import MODEL_FILE, OURS
from service.adapters.sklearn.row_prediction import RowPredictor
from service.models.golden_rows import GOLDEN, differences
from service.models.load import ModelFolder
from service.models.memory import Schema

_MOST_GOLDEN: Final = 1000  # a server asks for all of them while it answers others
_RANGES: Final = "training_ranges"
_TRAVELLING: Final = ("feature_schema", "data_contract", "target", "model_definition", GOLDEN)
_NEEDED: Final = frozenset({"MLmodel", MODEL_FILE})
_BESIDE: Final = frozenset({"conda.yaml", "python_env.yaml", "requirements.txt"})
_DOCUMENT: Final = re.compile(rf"{OURS}/\w+\.json")

Ranges = Mapping[str, tuple[float, float]]


class CheckedModel(NamedTuple):
    """What predicts, the recorded rows with their predictions, and the ranges of training."""

    predict: RowPredictor
    golden: Mapping[str, Any]
    ranges: Ranges


def require_layout(folder: ModelFolder) -> None:
    """Raise ModelUnusable `foreign_model` for files that lack, or are too many: code, a pickle."""
    found = folder.manifest.keys()
    missing = sorted((_NEEDED | {f"{OURS}/{name}.json" for name in _TRAVELLING}) - found)
    extra = sorted(name for name in found - _NEEDED - _BESIDE if not _DOCUMENT.fullmatch(name))
    faults = [("lacks", missing), ("holds", extra)]
    if wrong := " and ".join(f"it {what} {', '.join(names[:5])}" for what, names in faults if names):
        raise ModelUnusable("foreign_model", f"the model was not packaged by Laurel: {wrong}")


def checked_model(folder: ModelFolder, schema: Schema, predict: RowPredictor) -> CheckedModel:
    """Check what was built of a folder whose layout and files are right.

    Raises ModelUnusable: `unloadable_model`, `golden_rows_unusable`, `cannot_predict`, `smoke_test_failed`.
    """
    columns = schema.features.columns
    if lost := set(columns) - schema.contract.columns.keys():
        raise ModelUnusable(
            "unloadable_model", f"the model has features without a rule: {', '.join(sorted(lost)[:5])}"
        )
    golden = _golden_rows(folder, columns)
    _require_same_answers(golden, predict)
    return CheckedModel(predict, golden, _training_ranges(folder))


def _require_same_answers(golden: Mapping[str, Any], predict: RowPredictor) -> None:
    """Ask for the rows whose predictions were recorded when the model was made."""
    said = predict(golden["rows"])
    if not all(isfinite(value) for value in said):
        raise ModelUnusable(
            "smoke_test_failed", "the model returns a non-finite prediction for its golden rows"
        )
    if wrong := differences(golden, said):
        raise ModelUnusable(
            "smoke_test_failed", f"the model's predictions differ from those at training: {'; '.join(wrong)}"
        )


def _training_ranges(folder: ModelFolder) -> Ranges:
    """What a model takes along since it takes it along; without it, drift is judged by `clip` alone."""
    if f"{OURS}/{_RANGES}.json" not in folder.manifest:
        return {}
    try:
        found: Mapping[str, Sequence[float]] = folder.travelling(_RANGES)
        return {str(name): (float(low), float(high)) for name, (low, high) in found.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelUnusable("unloadable_model", "the model's training ranges cannot be read") from error


def _golden_rows(folder: ModelFolder, columns: Sequence[str]) -> Mapping[str, Any]:
    """The rows and what was said of them, at least one."""
    try:
        golden: Mapping[str, Any] = folder.travelling(GOLDEN)
        rows, said = golden["rows"], golden["predictions"]
        is_whole = _MOST_GOLDEN >= len(rows) == len(said) > 0 and all(
            set(columns) <= row.keys() for row in rows
        )
        is_whole = is_whole and all(isinstance(value, float) for value in said)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelUnusable("golden_rows_unusable", "the model's golden rows cannot be read") from error
    if not is_whole:
        raise ModelUnusable("golden_rows_unusable", "the model has no golden rows to predict")
    return golden
