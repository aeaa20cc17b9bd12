"""Loading a pipeline from skops, with a list of trusted types that is ours.

The list that travels with a model comes from the model itself and protects nobody; pickle is never read.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import skops.io
from skops.io.exceptions import UntrustedTypesFoundException

from domain.errors import ModelUnusable
from domain.model_definition import ModelType

# What our preprocessing calls, beside what skops trusts by itself.
_PREPROCESSING: Final = (
    "numpy.asarray",
    "numpy.clip",
    "numpy.dtype",
    "numpy.nan_to_num",
    "pandas.DataFrame",
    "pandas.Series",
)
_BY_TYPE: Final[Mapping[ModelType, tuple[str, ...]]] = {
    "gradient_boosting": ("sklearn.tree._tree.Tree",),
    "random_forest": ("sklearn.tree._tree.Tree",),
    "ridge": (),
    "hist_gradient_boosting": ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",),
    "lightgbm": ("collections.OrderedDict", "lightgbm.basic.Booster", "lightgbm.sklearn.LGBMRegressor"),
    "xgboost": ("xgboost.core.Booster", "xgboost.sklearn.XGBRegressor"),
}
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
_ELSEWHERE: Final[Mapping[ModelType, tuple[str, ...]]] = {
    "gradient_boosting": _LOSSES,
    "hist_gradient_boosting": (*_LOSSES, "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper"),
}


def trusted_types(model_type: ModelType) -> tuple[str, ...]:
    """The types that a pipeline of this model type may hold, sorted; nothing else is ever built."""
    return tuple(sorted((*_PREPROCESSING, *_BY_TYPE[model_type])))


def listed_types(model_type: ModelType) -> tuple[str, ...]:
    """What a package tells other loaders to trust, whose skops and scikit-learn may be others."""
    return tuple(sorted((*trusted_types(model_type), *_ELSEWHERE.get(model_type, ()))))


def load_pipeline(data: bytes, model_type: ModelType, also_trusted: Sequence[str] = ()) -> Any:
    """Load a fitted pipeline from the bytes of a skops file; `also_trusted` are types of the operator's.

    Raises ModelUnusable: `untrusted_type` with the types' names, or `unloadable_model`.
    """
    try:
        return skops.io.loads(data, trusted=[*trusted_types(model_type), *also_trusted])
    except UntrustedTypesFoundException as error:
        sentence = str(error).partition("\n")[0]
        raise ModelUnusable(
            "untrusted_type",
            f"the model is not one of ours ({model_type}): {sentence}",
            model_type=model_type,
        ) from error
    except Exception as error:  # whatever a broken or foreign file makes skops raise, the model is unusable
        raise ModelUnusable(
            "unloadable_model",
            f"the model cannot be loaded ({type(error).__name__}: {error})",
            model_type=model_type,
        ) from error
