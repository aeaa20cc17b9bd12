"""Where the time of one request goes, from its bytes to its answer's, step by step in this process.

Beside it stands what nobody can do without: reading the JSON, and the estimator's own `predict` of rows that
are encoded already.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from pydantic_core import from_json
from threadpoolctl import threadpool_limits

from domain.arrays import Floats
from service.adapters.sklearn.fitting import predicted_by
from service.adapters.sklearn.row_prediction import RowPredictor
from service.adapters.sklearn.row_preparation import RowPreparation
from service.models.load import ModelFolder
from service.runtime.web.bodies import read_json
from service.serving.predictor import Limits, Predictor, refuse_large_row, refuse_oversize
from service.serving.served_model import ServedModel, Serving
from service.serving.serving_metrics import InferenceMetrics
from tests.worlds.registered_models import manifest_of

_MOST_ROWS = 10_000
_LIMITS = Limits(_MOST_ROWS, 10 << 20, refuses_unknown=True)


class Stages(NamedTuple):
    """Median seconds of each step; `whole` is all of them, `parsing` and `own` the least that it takes."""

    reading: float
    checking: float
    preparing: float
    estimating: float
    whole: float
    parsing: float
    own: float


class StagedModel:
    """One model as a server holds it, in this process."""

    def __init__(self, folder: Path, package: Mapping[str, bytes]) -> None:
        pipeline, schema = ModelFolder(str(folder), manifest_of(package)).open()
        self._predict = RowPredictor.of(pipeline)
        served = ServedModel(
            model_name="staged",
            version=1,
            generation=1,
            run_id=None,
            feature_version=schema.features.version,
            features=schema.features,
            contract=schema.contract,
            manifest={},
            digest="0" * 64,
            predict=self._predict,
            loaded_at=datetime.now(UTC),
            known=self._predict.categories,
            singles=self._predict.singles,
            predict_columns=self._predict.of_columns,
        )
        self._desk = Predictor(served, _LIMITS, InferenceMetrics(Serving(), "staged"))

    def stages(self, asked: Any, seconds: float) -> Stages:
        """Time a body of one row, or of a list of rows: all steps in turns, so that noise meets all."""
        with threadpool_limits(1):  # as `laurel inference` does
            return Stages(*_medians(self._steps(asked), seconds))

    def _steps(self, asked: Any) -> Sequence[Callable[[], object]]:
        desk, prepare, body = self._desk, self._predict.prepare, json.dumps(asked).encode()
        assert isinstance(prepare, RowPreparation)
        check: Callable[[Any], Any]
        encode: Callable[[Any], Floats]
        if isinstance(asked, list):
            check, encode = desk._columns.taken, prepare.of_columns
        else:
            check, encode = (lambda row: [desk._checks.taken(row)]), prepare
        taken: Any = check(asked)
        encoded = encode(taken)
        return (
            lambda: _read(body),
            lambda: check(asked),
            lambda: encode(taken),
            lambda: predicted_by(self._predict._asked, encoded),
            lambda: desk.answer(body),
            lambda: from_json(body, allow_inf_nan=False),
            lambda: self._predict.estimator.predict(encoded),
        )


def _read(body: bytes) -> None:
    refuse_oversize(body, _MOST_ROWS)
    refuse_large_row(body, read_json(body), _MOST_ROWS)


def _medians(steps: Sequence[Callable[[], object]], seconds: float) -> list[float]:
    taken: list[list[float]] = [[] for _ in steps]
    until = time.perf_counter() + seconds
    while not taken[-1] or time.perf_counter() < until:
        for step, times in zip(steps, taken, strict=True):
            began = time.perf_counter()
            step()
            times.append(time.perf_counter() - began)
    return [median(times) for times in taken]
