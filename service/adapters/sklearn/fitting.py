"""Fitting the whole pipeline, and predicting with it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, issparse
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from domain.arrays import Floats, Numbers
from domain.data_contract import DataContract
from domain.errors import ModelUnusable, NeverRetry
from domain.feature_schema import FeatureSchema
from domain.model_types import Estimator
from service.adapters.sklearn.encoding import ONE_EACH, GivenColumns, Widths, encode, first_line
from service.adapters.sklearn.estimators import build_estimator


class Fitted(NamedTuple):
    """A fitted pipeline, and the rows that it was fitted on as its estimator sees them."""

    pipeline: Pipeline
    prepared: Numbers | csr_matrix

    def prepared_row(self, place: int) -> Numbers:
        """One of those rows, with its zeros."""
        row = self.prepared[place]
        return np.asarray(row.toarray()[0] if issparse(row) else row)

    def predictions(self, places: Sequence[int] | None = None) -> Floats:
        """What it predicts for those rows, or for a few of them by their places."""
        rows = self.prepared if places is None else self.prepared[list(places)]
        return predicted_by(self.pipeline[-1], rows)


def fit(
    features: FeatureSchema,
    contract: DataContract,
    model: Estimator,
    columns: GivenColumns,
    target: Floats,
    seed: int,
    *,
    threads: int = 1,
    widths: Widths = ONE_EACH,
) -> Fitted:
    """Fit preprocessing and estimator. Raises NeverRetry: `bad_config`, `frame_invalid` or `fit_failed`.

    Preprocessing and estimator are fitted one after the other rather than as a pipeline, so that the prepared
    rows serve for the training metrics too. The columns are given away; `encode` says why, and of `widths`.
    """
    estimator = build_estimator(model, seed)
    preprocessing, prepared = encode(features, contract, columns, widths)
    with _fit_failures(model), _on_threads(estimator, threads):
        estimator.fit(prepared, target)
    return Fitted(Pipeline([("preprocessing", preprocessing), ("model", estimator)]), prepared)


@contextmanager
def _on_threads(estimator: Any, number: int) -> Iterator[None]:
    """Fit on so many threads; what was fitted then predicts on those of its definition again."""
    unfitted = getattr(estimator, "regressor", estimator)
    params = unfitted.get_params().items()
    other = {name: value for name, value in params if name == "n_jobs" and value != number}
    unfitted.set_params(**dict.fromkeys(other, number))
    with threadpool_limits(number, user_api="openmp") if number > 1 else nullcontext():
        yield
    for used in (unfitted, getattr(estimator, "regressor_", unfitted)):
        used.set_params(**other)


def predict(pipeline: Pipeline, frame: pd.DataFrame) -> Floats:
    """Predict one raw target per row. Raises ModelUnusable `cannot_predict`, naming the column at fault."""
    try:
        return predicted_by(pipeline, frame)
    except (ValueError, TypeError) as error:
        prepared = pipeline[0].transformers_
        column = _column_at_fault(prepared, lambda steps, rows: steps.transform(rows), frame)
        where = f"column {column!r}" if column else "the estimator"
        raise ModelUnusable(
            "cannot_predict",
            f"the model cannot predict these rows ({where}: {first_line(error)})",
            column=column,
        ) from error


def predicted_by(model: BaseEstimator, rows: pd.DataFrame | Numbers | csr_matrix) -> Floats:
    """Predict as an estimator or a pipeline does, and raise what it raises.

    A target that was fitted as a logarithm may come back as infinity, which the metrics deal with.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(model.predict(rows), dtype=np.float64).reshape(-1)


@contextmanager
def _fit_failures(model: Estimator) -> Iterator[None]:
    """Whatever the libraries refuse would be refused again; a lack of memory is another matter."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        raise NeverRetry(
            "fit_failed", f"{model.type} cannot be fitted ({type(error).__name__}: {first_line(error)})"
        ) from error


def _column_at_fault(
    columns: Iterable[tuple[str, object, str]],
    attempt: Callable[[Pipeline, pd.Series], object],
    frame: pd.DataFrame,
) -> str | None:
    """Try column by column until one fails: scikit-learn's own message does not name it."""
    ours = [(steps, column) for _, steps, column in columns if isinstance(steps, Pipeline)]
    for steps, column in ours:
        try:
            attempt(steps, frame[column])
        except (ValueError, TypeError):
            return column
    return None
