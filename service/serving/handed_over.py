"""What a loading child hands over, read so that nothing but the parts of our models comes of it.

The child is ours, but a model could have misused it: a library admits names that run whatever they are given.
"""

import io
import pickle
from collections.abc import Mapping, Sequence
from typing import Final

from domain.errors import ModelUnusable
from domain.model_types import MODEL_TYPES
from service.adapters.sklearn.row_prediction import FrameOfRows
from service.adapters.sklearn.row_preparation import RowPreparation

_NAMES: Final[Mapping[str, Sequence[str]]] = {
    "builtins": ("bytearray", "slice"),
    "collections": ("OrderedDict", "defaultdict"),
    "numpy": ("asarray", "clip", "dtype", "expm1", "float64", "log1p", "nan_to_num", "ndarray"),
    "numpy._core.multiarray": ("_reconstruct", "scalar"),
    "numpy._core.numeric": ("_frombuffer",),
    "numpy.random._mt19937": ("MT19937",),
    "numpy.random._pcg64": ("PCG64",),
    "numpy.random._pickle": ("__bit_generator_ctor", "__generator_ctor", "__randomstate_ctor"),
    "numpy.random.bit_generator": ("SeedSequence", "__pyx_unpickle_SeedSequence"),
    "service.adapters.sklearn.row_prediction": ("FrameOfRows",),
    "service.adapters.sklearn.row_preparation": ("RowPreparation", "_Codes", "_Numbers"),
    "pandas": ("DataFrame", "Series"),
    "sklearn.compose._column_transformer": ("ColumnTransformer",),
    "sklearn.compose._target": ("TransformedTargetRegressor",),
    "sklearn.impute._base": ("SimpleImputer",),
    "sklearn.pipeline": ("Pipeline",),
    "sklearn.preprocessing._data": ("MinMaxScaler", "StandardScaler"),
    "sklearn.preprocessing._encoders": ("OneHotEncoder", "OrdinalEncoder"),
    "sklearn.preprocessing._function_transformer": ("FunctionTransformer",),
}


def admitted() -> frozenset[tuple[str, str]]:
    """(module, name) of every part that a model of ours may be made of."""
    of_types = {part for kind in MODEL_TYPES.values() for part in kind.parts}
    common = {(module, name) for module, names in _NAMES.items() for name in names}
    return frozenset(common | {(module, name) for module, _, name in (p.rpartition(".") for p in of_types)})


def handed_over(built: bytes, trusted_types: Sequence[str]) -> tuple[RowPreparation | FrameOfRows, object]:
    """Read the preparation and the estimator that a child built. Raises ModelUnusable `untrusted_type`."""
    preparation, estimator = _ModelParts(built, trusted_types).load()
    return preparation, estimator


class _ModelParts(pickle.Unpickler):
    def __init__(self, built: bytes, trusted_types: Sequence[str]) -> None:
        super().__init__(io.BytesIO(built))
        self._trusted_types = trusted_types
        self._admitted = admitted()

    def find_class(self, module: str, name: str) -> object:
        if (module, name) in self._admitted or f"{module}.{name}" in self._trusted_types:
            return super().find_class(module, name)
        raise ModelUnusable(
            "untrusted_type", f"the model holds {module}.{name}, which is not one of Laurel's types"
        )
