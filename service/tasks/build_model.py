"""Build a model for a server from its checked files, and hand over what predictions need."""

import os
import pickle
from collections.abc import Mapping, Sequence
from typing import Final

from service.adapters.sklearn.row_preparation import row_preparation
from service.tasks.model_folder import ModelFolder

_NICENESS: Final = 5  # predictions go first, but a promotion does not starve


def build_model(*, folder: str, manifest: Mapping[str, str], trusted_types: Sequence[str]) -> bytes:
    """A pair, pickled for the process that asked: the preparation of its rows, and its estimator.

    Raises ModelUnusable. Building a model holds the interpreter for tenths of a second, in which a server
    could hardly answer; reading this pair takes milliseconds.
    """
    os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
    pipeline, _ = ModelFolder(folder, manifest).open(trusted_types)
    return pickle.dumps((row_preparation(pipeline[0]), pipeline[-1]), protocol=5)
