"""Build a model for a server from its checked files, and hand over what predictions need."""

import os
import pickle
from collections.abc import Mapping, Sequence
from typing import Final

from domain.errors import LaurelError, ModelUnusable
from service.adapters.sklearn.row_prediction import RowPredictor
from service.models.checked_model import checked_model, require_layout
from service.models.load import ModelFolder

_NICENESS: Final = 5  # predictions go first, but a promotion does not starve


def build_model(*, folder: str, manifest: Mapping[str, str], trusted_types: Sequence[str]) -> bytes:
    """A pair, pickled for the process that asked: the preparation of its rows, and its estimator.

    It has answered its golden rows here: what is wrong with a model takes this process down, and no server.
    Raises ModelUnusable. Building a model holds the interpreter for tenths of a second, in which a server
    could hardly answer; reading this pair takes milliseconds.
    """
    os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
    try:
        return _built(ModelFolder(folder, manifest), trusted_types)
    except (LaurelError, MemoryError):
        raise
    except Exception as error:  # whatever a strange model makes a library raise, it is unusable
        raise ModelUnusable(
            "unloadable_model", f"the model cannot be built ({type(error).__name__}: {error})"
        ) from error


def _built(folder: ModelFolder, trusted_types: Sequence[str]) -> bytes:
    require_layout(folder)
    pipeline, schema = folder.open(trusted_types)
    predict = RowPredictor.of(pipeline)
    checked_model(folder, schema, predict)
    return pickle.dumps((predict.prepare, predict.estimator), protocol=5)
