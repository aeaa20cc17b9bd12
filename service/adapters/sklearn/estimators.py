"""From a model definition to an unfitted estimator with a fixed seed and one thread; and its faults.

scikit-learn's estimators say themselves what each param may be. The boosters take anything and fail, or not,
in native code, so the ranges of what people set stand in the table of model types.
"""

import importlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.utils._param_validation import InvalidParameterError, validate_parameter_constraints

from domain.errors import NeverRetry
from domain.faults import Fault
from domain.model_types import MODEL_TYPES, Estimator, ModelKind, NumberRange
from domain.wording import suggestion

# They stop a fit by a validation set or by code of the caller's, and a training here has neither.
_NOT_HERE: Final = frozenset({"callbacks", "early_stopping_rounds"})


def known_names(estimator: type) -> set[str]:
    """The params that a definition may set."""
    return set(estimator().get_params()) - _NOT_HERE


def param_faults(model: Estimator, kind: ModelKind, estimator: type) -> list[Fault]:
    """Check the names against what `estimator` knows, and each value against what it may be.

    Params are checked one by one, so that all faults come at once.
    """
    known, params = known_names(estimator), model.params
    unknown = [_unknown(model.type, name, known) for name in params if name not in known]
    bad = [
        _bad(model.type, name, value, allowed)
        for name, value in params.items()
        if name in known
        for allowed in _objections(estimator, name, value, kind.ranges.get(name))
    ]
    named = {fault.field for fault in bad}
    refused = (_bad(model.type, name, params[name], how) for name, how in kind.refused(params))
    return unknown + bad + [fault for fault in refused if fault.field not in named]


def _objections(estimator: type, name: str, value: object, rule: NumberRange | None) -> Iterator[str]:
    constraints: Mapping[str, Any] = getattr(estimator, "_parameter_constraints", {})
    try:
        validate_parameter_constraints(constraints, {name: value}, estimator.__name__)
    except InvalidParameterError as error:
        yield _sorted_choices(str(error).partition(" must be ")[2].rpartition(". Got ")[0])
        return
    if rule is not None and value is not None and not rule.allows(value):
        yield str(rule)


def _sorted_choices(sentence: str) -> str:
    """scikit-learn prints a set, in another order in each process."""
    return re.sub(r"\{(.*?)\}", lambda found: f"{{{', '.join(sorted(found[1].split(', ')))}}}", sentence)


def _unknown(model_type: str, name: str, known: set[str]) -> Fault:
    return Fault(
        code="unknown_param",
        field=f"model.params.{name}",
        message=f"{model_type} has no param {name!r}{suggestion(name, sorted(known))}",
        allowed=", ".join(sorted(known)),
    )


def _bad(model_type: str, name: str, value: object, allowed: str) -> Fault:
    return Fault(
        code="bad_param",
        field=f"model.params.{name}",
        message=f"{name} of {model_type} must be {allowed}; it is {value!r}",
        allowed=allowed,
    )


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
