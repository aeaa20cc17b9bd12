"""From a model definition to an unfitted estimator with a fixed seed and one thread."""

import importlib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from sklearn.compose import TransformedTargetRegressor

from domain.errors import NeverRetry
from domain.faults import Fault
from domain.model_definition import Estimator, ModelType
from service.adapters.sklearn.param_rules import known_names, param_faults


class _Kind(NamedTuple):
    """Where a type's class lives, and what makes its fits repeatable unless the definition says otherwise."""

    module: str
    name: str
    defaults: Mapping[str, Any]


_ONE_THREAD: Final = {"n_jobs": 1}
_KINDS: Final[Mapping[ModelType, _Kind]] = {
    "gradient_boosting": _Kind("sklearn.ensemble", "GradientBoostingRegressor", {}),
    "random_forest": _Kind("sklearn.ensemble", "RandomForestRegressor", _ONE_THREAD),
    "ridge": _Kind("sklearn.linear_model", "Ridge", {}),
    "hist_gradient_boosting": _Kind("sklearn.ensemble", "HistGradientBoostingRegressor", {}),
    "lightgbm": _Kind(
        "lightgbm",
        "LGBMRegressor",
        # LightGBM asks for both, or its histograms may be added in another order the next time.
        {**_ONE_THREAD, "deterministic": True, "force_row_wise": True, "verbosity": -1},
    ),
    "xgboost": _Kind("xgboost", "XGBRegressor", {**_ONE_THREAD, "verbosity": 0}),
}


# The others take a null as it is; these refuse the whole fit for one.
_NO_NULLS: Final = frozenset({"gradient_boosting", "ridge"})


def takes_nulls(model_type: ModelType) -> bool:
    """True when a numeric column may reach the estimator with nulls in it."""
    return model_type not in _NO_NULLS


def known_params(model_type: ModelType) -> tuple[str, ...]:
    """The names that a model file may use for this type, sorted."""
    return tuple(sorted(known_names(_class_of(model_type))))


def definition_faults(model: Estimator) -> list[Fault]:
    """Every fault in a definition's params; `field` is the dotted place in the model file."""
    return param_faults(model.type, _class_of(model.type), model.params)


def build_estimator(model: Estimator, seed: int) -> Any:
    """Build the unfitted regressor. Raises NeverRetry `bad_config` naming every fault in its params."""
    if faults := definition_faults(model):
        raise NeverRetry(
            "bad_config",
            "; ".join(fault.message for fault in faults),
            faults=[fault.model_dump(mode="json") for fault in faults],
        )
    kind = _KINDS[model.type]
    regressor = _class_of(model.type)(**{**kind.defaults, **model.params, **_seed(model, seed)})
    if model.target_transform is None:
        return regressor
    return TransformedTargetRegressor(regressor, func=np.log1p, inverse_func=np.expm1, check_inverse=False)


def _seed(model: Estimator, seed: int) -> dict[str, int]:
    """A null seed would mean "another model each time": it gets the run's, like a missing one."""
    return {} if model.params.get("random_state") is not None else {"random_state": seed}


def _class_of(model_type: ModelType) -> Any:
    """The boosters are imported by the child that needs one: they cost every child memory."""
    kind = _KINDS[model_type]
    return getattr(importlib.import_module(kind.module), kind.name)
