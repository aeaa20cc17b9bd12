"""What is wrong with the params of a model definition: every fault, before any fit.

scikit-learn's estimators say themselves what each param may be. The boosters take anything and fail, or not,
in native code, so the ranges of what people set stand here. Both get a ceiling on the number of trees: 10⁹
of them are valid to the library, and would occupy the worker for years.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from sklearn.utils._param_validation import InvalidParameterError, validate_parameter_constraints

from domain.faults import Fault
from domain.model_definition import ModelType


class _Range(NamedTuple):
    """Numbers from `low` to `high`; `low` itself is allowed unless `above`. None is no bound."""

    low: float | None = None
    high: float | None = None
    whole: bool = False
    above: bool = False

    def allows(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        if self.low is not None and (value <= self.low if self.above else value < self.low):
            return False
        return self.high is None or value <= self.high

    def __str__(self) -> str:
        bounds = [] if self.low is None else [f"{'more than' if self.above else 'at least'} {self.low:g}"]
        bounds += [] if self.high is None else [f"at most {self.high:g}"]
        return " ".join(["a whole number" if self.whole else "a number", " and ".join(bounds)]).strip()


MOST_TREES: Final = 10_000
_TREES: Final = _Range(1, MOST_TREES, whole=True)
_COUNT: Final = _Range(0, whole=True)
_POSITIVE: Final = _Range(0, above=True)
_NOT_NEGATIVE: Final = _Range(0)
_SHARE: Final = _Range(0, 1, above=True)
_WHOLE: Final = _Range(whole=True)

_CEILINGS: Final[Mapping[ModelType, Mapping[str, _Range]]] = {
    "gradient_boosting": {"n_estimators": _TREES},
    "random_forest": {"n_estimators": _TREES},
    "hist_gradient_boosting": {"max_iter": _TREES},
    "ridge": {},
    "lightgbm": {
        "n_estimators": _TREES,
        "num_leaves": _Range(2, 131_072, whole=True),  # LightGBM's own limit
        "max_depth": _WHOLE,
        "learning_rate": _POSITIVE,
        "min_split_gain": _NOT_NEGATIVE,
        "min_child_weight": _NOT_NEGATIVE,
        "min_child_samples": _COUNT,
        "subsample": _SHARE,
        "subsample_freq": _WHOLE,
        "subsample_for_bin": _Range(1, whole=True),
        "colsample_bytree": _SHARE,
        "reg_alpha": _NOT_NEGATIVE,
        "reg_lambda": _NOT_NEGATIVE,
        "n_jobs": _WHOLE,
        "random_state": _COUNT,
    },
    "xgboost": {
        "n_estimators": _TREES,
        "num_parallel_tree": _TREES,
        "max_depth": _COUNT,
        "max_leaves": _COUNT,
        "max_bin": _Range(2, 65_535, whole=True),
        "learning_rate": _POSITIVE,
        "gamma": _NOT_NEGATIVE,
        "min_child_weight": _NOT_NEGATIVE,
        "max_delta_step": _NOT_NEGATIVE,
        "subsample": _SHARE,
        "colsample_bytree": _SHARE,
        "colsample_bylevel": _SHARE,
        "colsample_bynode": _SHARE,
        "reg_alpha": _NOT_NEGATIVE,
        "reg_lambda": _NOT_NEGATIVE,
        "n_jobs": _WHOLE,
        "random_state": _COUNT,
    },
}

_SCORED_BY_LOSS: Final = "'loss' or null, unless early_stopping is false"
_NO_CATEGORIES: Final = "null or 'from_dtype': columns of categories are named in the features file"
_IN_TEXT: Final = {"monotone_constraints": "(1,0,-1)", "interaction_constraints": "[[0, 1], [2]]"}

# They stop a fit by a validation set or by code of the caller's, and a training here has neither.
_NOT_HERE: Final = frozenset({"callbacks", "early_stopping_rounds"})


def known_names(estimator: type) -> set[str]:
    """The params that a definition may set."""
    return set(estimator().get_params()) - _NOT_HERE


def param_faults(model_type: ModelType, estimator: type, params: Mapping[str, Any]) -> list[Fault]:
    """Check the names against what `estimator` knows, and each value against what it may be.

    Params are checked one by one, so that all faults come at once.
    """
    known = known_names(estimator)
    unknown = [_unknown(model_type, name, known) for name in params if name not in known]
    rules = _CEILINGS[model_type]
    bad = [
        _bad(model_type, name, value, allowed)
        for name, value in params.items()
        if name in known
        for allowed in _objections(estimator, name, value, rules.get(name))
    ]
    named = {fault.field for fault in bad}
    unusable = (_bad(model_type, name, params[name], how) for name, how in _unusable(model_type, params))
    return unknown + bad + [fault for fault in unusable if fault.field not in named]


def _unusable(model_type: ModelType, params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Params that the library takes and with which a run cannot end well, each with what is allowed.

    Their fit fails on nameless columns, or makes a model of parts that no loader may trust.
    """
    if model_type == "xgboost":
        for name, example in _IN_TEXT.items():
            if not isinstance(params.get(name), str | None):
                yield name, f"text, such as {example!r}"
    if model_type != "hist_gradient_boosting":
        return
    categories = params.get("categorical_features")
    if isinstance(categories, list) and any(named is not False for named in categories):
        yield "categorical_features", _NO_CATEGORIES
    if params.get("scoring") not in {None, "loss"} and params.get("early_stopping") is not False:
        yield "scoring", _SCORED_BY_LOSS


def _objections(estimator: type, name: str, value: object, rule: _Range | None) -> Iterator[str]:
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


def _unknown(model_type: ModelType, name: str, known: set[str]) -> Fault:
    return Fault(
        code="unknown_param",
        field=f"model.params.{name}",
        message=f"{model_type} has no param {name!r}",
        allowed=", ".join(sorted(known)),
    )


def _bad(model_type: ModelType, name: str, value: object, allowed: str) -> Fault:
    return Fault(
        code="bad_param",
        field=f"model.params.{name}",
        message=f"{name} of {model_type} must be {allowed}; it is {value!r}",
        allowed=allowed,
    )
