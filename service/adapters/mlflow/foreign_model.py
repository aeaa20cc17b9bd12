"""A model that others logged, loaded by MLflow's own means.

Such a model may run any code while it loads (pickle, models from code): only a child process may do this, and
only when the operator has said that the registry is trusted.
"""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from mlflow.types.schema import DataType, Schema

from domain.arrays import Floats
from domain.errors import ModelUnusable

if TYPE_CHECKING:
    from mlflow.pyfunc import PyFuncModel

_WHOLE: Final = (DataType.integer, DataType.long)
_FRACTIONAL: Final = (DataType.float, DataType.double)


class ForeignModel:
    """Predicts with an MLflow model of anybody's. `columns` are the signature's, else the ones given."""

    def __init__(self, model: "PyFuncModel", columns: Sequence[str]) -> None:
        self._model = model
        self._schema: Schema | None = model.metadata.get_input_schema()
        named = (
            self._schema.input_names() if self._schema is not None and self._schema.has_input_names() else ()
        )
        self.columns: tuple[str, ...] = tuple(named or columns)

    def predict(self, frame: pd.DataFrame) -> Floats:
        """Predict one raw target per row. Raises ModelUnusable `cannot_predict`."""
        try:
            answer = self._model.predict(self._as_the_signature_says(frame.loc[:, list(self.columns)]))
            return np.asarray(answer, dtype=np.float64).reshape(len(frame))
        except Exception as error:  # foreign code raises what it likes
            raise ModelUnusable(
                "cannot_predict", f"the foreign model cannot predict ({type(error).__name__}: {error})"
            ) from error

    def _as_the_signature_says(self, frame: pd.DataFrame) -> pd.DataFrame:
        """MLflow refuses a whole number where a signature says double, and the other way round."""
        if self._schema is None or not self._schema.has_input_names():
            return frame
        types = self._schema.input_types_dict()
        return frame.assign(**{name: _cast(frame[name], kind) for name, kind in types.items()})


def load_foreign(folder: Path, columns: Sequence[str]) -> ForeignModel:
    """Load whatever model stands in the folder. Raises ModelUnusable `unloadable_model`."""
    try:
        pyfunc = importlib.import_module("mlflow.pyfunc")  # large, and hardly ever needed
        return ForeignModel(pyfunc.load_model(str(folder)), columns)
    except Exception as error:  # foreign code raises what it likes
        raise ModelUnusable(
            "unloadable_model", f"the foreign model cannot be loaded ({type(error).__name__}: {error})"
        ) from error


def _cast(column: pd.Series, kind: DataType) -> pd.Series:
    if kind in _FRACTIONAL:
        return column.astype("float32" if kind == DataType.float else "float64")
    if kind in _WHOLE and not column.isna().any():
        return column.astype("int32" if kind == DataType.integer else "int64")
    return column.astype("object") if kind == DataType.string else column
