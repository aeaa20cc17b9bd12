"""From a model definition to an unfitted estimator with a fixed seed and one thread."""

import importlib
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor

from domain.errors import NeverRetry
from domain.faults import Fault
from domain.model_types import MODEL_TYPES, Estimator, ModelKind
from service.adapters.sklearn.param_rules import param_faults


def definition_faults(model: Estimator) -> list[Fault]:
    """Every fault in a definition's params; `field` is the dotted place in the model file."""
    kind = MODEL_TYPES[model.type]
    return param_faults(model, kind, class_of(kind))


def build_estimator(model: Estimator, seed: int) -> Any:
    """Build the unfitted regressor. Raises NeverRetry `bad_config` naming every fault in its params."""
    if faults := definition_faults(model):
        raise NeverRetry(
            "bad_config",
            "; ".join(fault.message for fault in faults),
            faults=[fault.model_dump(mode="json") for fault in faults],
        )
    kind = MODEL_TYPES[model.type]
    regressor = class_of(kind)(**{**kind.defaults, **model.params, **_seed(model, seed)})
    if model.target_transform is None:
        return regressor
    return TransformedTargetRegressor(regressor, func=np.log1p, inverse_func=np.expm1, check_inverse=False)


def _seed(model: Estimator, seed: int) -> dict[str, int]:
    """A null seed would mean "another model each time": it gets the run's, like a missing one."""
    return {} if model.params.get("random_state") is not None else {"random_state": seed}


def class_of(kind: ModelKind) -> Any:
    """Import a type's class."""
    return getattr(importlib.import_module(kind.module), kind.class_name)
