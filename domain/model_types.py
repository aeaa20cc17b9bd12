"""The model types: what is particular to one stands in its row, nowhere else. And the model definition.

A class is named as "module:name" and imported where a model of it is fitted or loaded: the boosters cost each
process memory, and most processes need none of these libraries.

A definition says which estimator, with which params, fitted on which form of the target. The file is
`models/vN.yaml`:

    version: 3
    model:
      type: hist_gradient_boosting
      params: {max_iter: 60, learning_rate: 0.1}
      target_transform: log1p # optional; without it the target is fitted raw
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import Field, JsonValue, field_validator

from domain.values import ConfigVersion, Value, one_of


class NumberRange(NamedTuple):
    """Numbers from `low` to `high`; `low` itself is allowed unless `above`. None is no bound."""

    low: float | None = None
    high: float | None = None
    whole: bool = False
    above: bool = False

    def allows(self, value: object) -> bool:
        """True for a number inside; a truth value is no number."""
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        if self.low is not None and (value <= self.low if self.above else value < self.low):
            return False
        return self.high is None or value <= self.high

    def __str__(self) -> str:
        """What is allowed, in words."""
        bounds = [] if self.low is None else [f"{'more than' if self.above else 'at least'} {self.low:g}"]
        bounds += [] if self.high is None else [f"at most {self.high:g}"]
        return " ".join(["a whole number" if self.whole else "a number", " and ".join(bounds)]).strip()


Params = Mapping[str, JsonValue]
# How the nodes of a fitted estimator are laid out, which native code follows without looking.
TreeLayout = Literal["none", "forest", "boosted", "histograms", "lightgbm", "xgboost"]
# A fit has one thread; any number of them learns the same, to the bit; or each number learns its own.
Threads = Literal["one", "any", "own"]
MOST_TREES: Final = 10_000


def _no_refusals(_: Params) -> Iterator[tuple[str, str]]:
    return iter(())


@dataclass(frozen=True)
class ModelKind:
    """What one model type is.

    `regressor` is its class. `defaults` make its fits repeatable unless a definition says otherwise. A
    pipeline may hold the `trusted` types; a package tells other loaders of `trusted_elsewhere` too, whose
    skops and scikit-learn may be others; `parts` are the classes that a fitted one is made of, and a server
    takes from the process that has loaded it. `ranges` bound params that the class does not check itself, and
    `refused` yields params that the library takes and with which a run cannot end well, each with what is
    allowed. `distributions` are what a server installs for it. `preloads`: its module is light enough for
    every child. `threads` says what their number means; with a param of `own_with` it means a model of its
    own. `takes_sparse`: from rows whose zeros are left out it learns the same, to the bit; all but one that
    is `by_rows` do from rows that lie in memory column by column, which takes less; and from values of 32
    bits, if it is `single_precision`: it makes them of its rows itself. A fit takes `memory_factor` times the
    bytes of its encoded rows at least, as `python -m bench.large.fit` measures.
    """

    regressor: str
    memory_factor: float
    threads: Threads = "one"
    takes_sparse: bool = False
    by_rows: bool = False
    single_precision: bool = False
    own_with: Mapping[str, JsonValue] = field(default_factory=dict)
    defaults: Mapping[str, JsonValue] = field(default_factory=dict)
    trees: TreeLayout = "none"
    trusted: tuple[str, ...] = ()
    trusted_elsewhere: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    ranges: Mapping[str, NumberRange] = field(default_factory=dict)
    refused: Callable[[Params], Iterator[tuple[str, str]]] = _no_refusals
    takes_nulls: bool = True
    distributions: tuple[str, ...] = ()
    preloads: bool = True

    @property
    def module(self) -> str:
        """The module of its class."""
        return self.regressor.partition(":")[0]

    def threads_of(self, params: Params) -> Threads:
        """What the number of threads means to a fit with these params."""
        has_one = any(params.get(name) == value for name, value in self.own_with.items())
        return "own" if has_one else self.threads

    @property
    def class_name(self) -> str:
        """The name of its class."""
        return self.regressor.partition(":")[2]


_TREES: Final = NumberRange(1, MOST_TREES, whole=True)  # 10⁹ are valid to a library, and fit for years
_COUNT: Final = NumberRange(0, whole=True)
_POSITIVE: Final = NumberRange(0, above=True)
_NOT_NEGATIVE: Final = NumberRange(0)
_SHARE: Final = NumberRange(0, 1, above=True)
_WHOLE: Final = NumberRange(whole=True)
_ONE_THREAD: Final[Mapping[str, JsonValue]] = MappingProxyType({"n_jobs": 1})

# What skops trusts by itself here, and does not with an older skops or scikit-learn: the boosters' losses.
_LOSS_NAMES: Final = (
    "AbsoluteError",
    "HalfGammaLoss",
    "HalfPoissonLoss",
    "HalfSquaredError",
    "HuberLoss",
    "PinballLoss",
)
_LOSSES: Final = (
    *(f"sklearn._loss.{where}{loss}" for loss in _LOSS_NAMES for where in ("_loss.Cy", "loss.")),
    *(f"sklearn._loss.link.{name}" for name in ("IdentityLink", "Interval", "LogLink")),
)
_TREE_PARTS: Final = ("sklearn.tree._classes.DecisionTreeRegressor", "sklearn.tree._tree.Tree")
_HISTOGRAMS: Final = "sklearn.ensemble._hist_gradient_boosting"
_SCORED_BY_LOSS: Final = "'loss' or null, unless early_stopping is false"
_NO_CATEGORIES: Final = "null or 'from_dtype': columns of categories are named in the features file"
_IN_TEXT: Final = {"monotone_constraints": "(1,0,-1)", "interaction_constraints": "[[0, 1], [2]]"}


def _refused_by_histograms(params: Params) -> Iterator[tuple[str, str]]:
    """Their fit fails on nameless columns, or makes a model of parts that no loader may trust."""
    categories = params.get("categorical_features")
    if isinstance(categories, list) and any(named is not False for named in categories):
        yield "categorical_features", _NO_CATEGORIES
    if params.get("scoring") not in {None, "loss"} and params.get("early_stopping") is not False:
        yield "scoring", _SCORED_BY_LOSS


def _refused_by_xgboost(params: Params) -> Iterator[tuple[str, str]]:
    for name, example in _IN_TEXT.items():
        if not isinstance(params.get(name), str | None):
            yield name, f"text, such as {example!r}"


MODEL_TYPES: Final[dict[str, ModelKind]] = {
    "gradient_boosting": ModelKind(
        "sklearn.ensemble:GradientBoostingRegressor",
        memory_factor=1.0,
        single_precision=True,
        trees="boosted",
        trusted=("sklearn.tree._tree.Tree",),
        trusted_elsewhere=_LOSSES,
        parts=(
            "sklearn.ensemble._gb.GradientBoostingRegressor",
            "sklearn.dummy.DummyRegressor",
            *_TREE_PARTS,
            *_LOSSES,
        ),
        ranges={"n_estimators": _TREES},
        takes_nulls=False,
    ),
    "random_forest": ModelKind(
        "sklearn.ensemble:RandomForestRegressor",
        memory_factor=0.5,
        single_precision=True,
        threads="any",
        defaults=_ONE_THREAD,
        trees="forest",
        trusted=("sklearn.tree._tree.Tree",),
        parts=("sklearn.ensemble._forest.RandomForestRegressor", *_TREE_PARTS),
        ranges={"n_estimators": _TREES},
    ),
    "ridge": ModelKind(
        "sklearn.linear_model:Ridge",
        memory_factor=2.0,
        by_rows=True,
        parts=("sklearn.linear_model._ridge.Ridge",),
        takes_nulls=False,
    ),
    "hist_gradient_boosting": ModelKind(
        "sklearn.ensemble:HistGradientBoostingRegressor",
        memory_factor=2.6,
        threads="any",
        trees="histograms",
        trusted=(f"{_HISTOGRAMS}.predictor.TreePredictor",),
        trusted_elsewhere=(*_LOSSES, f"{_HISTOGRAMS}.binning._BinMapper"),
        parts=(
            f"{_HISTOGRAMS}.gradient_boosting.HistGradientBoostingRegressor",
            f"{_HISTOGRAMS}.binning._BinMapper",
            f"{_HISTOGRAMS}.predictor.TreePredictor",
            *_LOSSES,
        ),
        ranges={"max_iter": _TREES},
        refused=_refused_by_histograms,
    ),
    "lightgbm": ModelKind(
        "lightgbm:LGBMRegressor",
        memory_factor=1.1,
        threads="any",
        takes_sparse=True,
        own_with={"boosting_type": "goss"},  # it samples within the rows of each thread
        # LightGBM asks for both, or its histograms may be added in another order the next time.
        defaults={**_ONE_THREAD, "deterministic": True, "force_row_wise": True, "verbosity": -1},
        trees="lightgbm",
        trusted=("collections.OrderedDict", "lightgbm.basic.Booster", "lightgbm.sklearn.LGBMRegressor"),
        parts=("lightgbm.basic.Booster", "lightgbm.sklearn.LGBMRegressor"),
        ranges={
            "n_estimators": _TREES,
            "num_leaves": NumberRange(2, 131_072, whole=True),  # LightGBM's own limit
            "max_depth": _WHOLE,
            "learning_rate": _POSITIVE,
            "min_split_gain": _NOT_NEGATIVE,
            "min_child_weight": _NOT_NEGATIVE,
            "min_child_samples": _COUNT,
            "subsample": _SHARE,
            "subsample_freq": _WHOLE,
            "subsample_for_bin": NumberRange(1, whole=True),
            "colsample_bytree": _SHARE,
            "reg_alpha": _NOT_NEGATIVE,
            "reg_lambda": _NOT_NEGATIVE,
            "n_jobs": _WHOLE,
            "random_state": _COUNT,
        },
        distributions=("lightgbm",),
        preloads=False,
    ),
    "xgboost": ModelKind(
        "xgboost:XGBRegressor",
        memory_factor=1.0,
        single_precision=True,
        threads="own",
        defaults={**_ONE_THREAD, "verbosity": 0},
        trees="xgboost",
        trusted=("xgboost.core.Booster", "xgboost.sklearn.XGBRegressor"),
        parts=("xgboost.core.Booster", "xgboost.sklearn.XGBRegressor"),
        ranges={
            "n_estimators": _TREES,
            "num_parallel_tree": _TREES,
            "max_depth": _COUNT,
            "max_leaves": _COUNT,
            "max_bin": NumberRange(2, 65_535, whole=True),
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
        refused=_refused_by_xgboost,
        distributions=("xgboost", "xgboost-cpu"),  # one module, two distributions
        preloads=False,
    ),
}


def preloaded_modules() -> tuple[str, ...]:
    """The modules of the types that every child can afford, sorted."""
    return tuple(sorted({kind.module for kind in MODEL_TYPES.values() if kind.preloads}))


ModelType = Annotated[str, one_of(lambda: MODEL_TYPES)]


class Estimator(Value):
    """A regressor by its type, the params it was given, and how the target is transformed.

    `params` are names that the estimator knows, with JSON values; what is not named keeps the library's
    default. `target_transform: log1p` fits log(1 + target) and predicts the raw target again.
    """

    type: ModelType
    params: Mapping[str, JsonValue] = Field(default_factory=dict)
    target_transform: Literal["log1p"] | None = None

    @field_validator("params", mode="before")
    @classmethod
    def _no_params(cls, params: object) -> object:
        return {} if params is None else params


class ModelDefinition(Value):
    """One version of the model definition."""

    version: Annotated[ConfigVersion, Field(strict=True)]
    model: Estimator
