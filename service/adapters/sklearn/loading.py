"""Loading a pipeline from skops, with a list of trusted types that is ours.

The list that travels with a model comes from the model itself and protects nobody; pickle is never read.
"""

from collections.abc import Mapping
from typing import Any, Final

import skops.io
from skops.io.exceptions import UntrustedTypesFoundException

from domain.errors import ModelUnusable
from domain.model_definition import ModelType

# What our preprocessing calls, beside what skops trusts by itself.
_PREPROCESSING: Final = ("numpy.asarray", "numpy.clip", "numpy.dtype", "pandas.DataFrame", "pandas.Series")
_BY_TYPE: Final[Mapping[ModelType, tuple[str, ...]]] = {
    # Older versions of skops do not know the losses of scikit-learn by themselves.
    "gradient_boosting": ("sklearn._loss._loss.CyHalfSquaredError", "sklearn.tree._tree.Tree"),
    "random_forest": ("sklearn.tree._tree.Tree",),
    "ridge": (),
    "hist_gradient_boosting": (
        "sklearn._loss._loss.CyHalfSquaredError",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    ),
    "lightgbm": ("collections.OrderedDict", "lightgbm.basic.Booster", "lightgbm.sklearn.LGBMRegressor"),
    "xgboost": ("xgboost.core.Booster", "xgboost.sklearn.XGBRegressor"),
}


def trusted_types(model_type: ModelType) -> tuple[str, ...]:
    """The types that a pipeline of this model type may hold, sorted; nothing else is ever constructed."""
    return tuple(sorted((*_PREPROCESSING, *_BY_TYPE[model_type])))


def load_pipeline(data: bytes, model_type: ModelType) -> Any:
    """Load a fitted pipeline from the bytes of a skops file.

    Raises ModelUnusable: `untrusted_type` with the types' names, or `unloadable_model`.
    """
    try:
        return skops.io.loads(data, trusted=list(trusted_types(model_type)))
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
