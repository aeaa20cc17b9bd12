"""From a request's bytes to an answer's, for one model: read, check, predict, write."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from math import isfinite
from typing import Any, Final

import structlog

from domain.errors import ModelUnusable
from service.inference.drift import DriftWatch
from service.inference.metrics import InferenceMetrics
from service.inference.request_checks import InputFault, RequestChecks
from service.inference.request_fields import request_fields
from service.inference.served_model import Row, ServedModel
from service.web.bodies import read_json
from service.web.problems import Problem

log = structlog.get_logger("laurel.inference")

_MOST_FAULTS: Final = 1000  # in one answer; a list of rows may have any number
_MOST_HELPED: Final = 3  # of them
_UNPROCESSABLE: Final = HTTPStatus.UNPROCESSABLE_ENTITY.value


@dataclass(frozen=True)
class Limits:
    """What one request may hold, and what becomes of fields that are no feature."""

    max_rows: int
    max_body_bytes: int
    refuses_unknown: bool


class Desk:
    """Answers predictions with one model; made once per model. Thread-safe."""

    def __init__(self, model: ServedModel, limits: Limits, metrics: InferenceMetrics) -> None:
        self.model = model
        self._limits = limits
        self._metrics = metrics
        self.fields = request_fields(model.features, model.contract, model.known, model.singles)
        self._checks = RequestChecks(self.fields, refuse_unknown=limits.refuses_unknown)
        self._drift = DriftWatch(model.features, model.known, model.ranges)
        self._tail = f',"model_version":"{model.version}"}}'
        metrics.drift.keep(model.features.columns)
        generation = {} if model.generation is None else {"Laurel-Generation": str(model.generation)}
        self.headers = {**generation, "Content-Type": "application/json"}

    def answer(self, body: bytes) -> bytes:
        """The answer's bytes: one object for one, a list for a list, in its order. Raises Problem."""
        asked = read_json(body)
        if isinstance(asked, list):
            return b"[" + ",".join(self._answers(asked)).encode() + b"]"
        row = self._checks.taken(asked)
        if row is None:
            raise _invalid(self._helpful([*self._checks.faults(asked, 0)], [asked]))
        began = time.perf_counter()
        said = self._predict([row])
        self._metrics.one_row.observe(time.perf_counter() - began)
        return self._shown(said[0]).encode()

    def _answers(self, asked: Sequence[Any]) -> Iterator[str]:
        if len(asked) > self._limits.max_rows:
            raise Problem(
                _UNPROCESSABLE,
                "too_many_rows",
                f"{len(asked)} rows came, at most {self._limits.max_rows} are taken at once",
            )
        rows = [self._checks.taken(row) for row in asked]
        if None in rows:
            faults = (fault for place, row in enumerate(asked) for fault in self._checks.faults(row, place))
            raise _invalid(self._helpful([*islice(faults, _MOST_FAULTS)], asked))
        if not rows:
            return iter(())
        began = time.perf_counter()
        said = self._predict([row for row in rows if row is not None])
        self._metrics.list_of_rows.observe(time.perf_counter() - began)
        return map(self._shown, said)

    def _helpful(self, faults: Sequence[InputFault], asked: Sequence[Any]) -> list[InputFault]:
        """The first faults say what may be meant: to look for it takes longer than all the rest."""
        first = [self._checks.with_nearest(fault, asked[fault.row]) for fault in faults[:_MOST_HELPED]]
        return [*first, *faults[_MOST_HELPED:]]

    def _shown(self, prediction: float) -> str:
        return f'{{"prediction":{prediction!r}{self._tail}'

    def _predict(self, rows: Sequence[Row]) -> list[float]:
        try:
            said = self.model.predict(rows)
        except ModelUnusable as error:
            raise self._untaken(rows, error) from error
        places = [place for place, prediction in enumerate(said) if not isfinite(prediction)]
        if places:
            allowed = "rows for which the model has a number"
            faults = [
                InputFault(place, "", "a row whose prediction is not finite", allowed) for place in places
            ]
            raise _invalid(faults[:_MOST_FAULTS], "prediction_not_finite")
        self._metrics.rows.inc(len(rows))
        self._metrics.drift.add(self._drift.hits(rows))
        return said

    def _untaken(self, rows: Sequence[Row], error: ModelUnusable) -> Problem:
        """The model cannot take a row that the rules allow: a value, or a null, that no training row held."""
        log.warning("rows_not_taken", reason=error.reason, message=error.message)
        column = error.facts.get("column")
        suspects = self._unfilled(rows) or ([str(column)] if column else [])
        faults = [
            self._checks.fault(row, name, place, "what the model was trained with")
            for place, row in enumerate(rows)
            for name in suspects
            if row[name] is None or name == column
        ]
        return _invalid(faults[:_MOST_FAULTS], "not_taken_by_model")

    def _unfilled(self, rows: Sequence[Row]) -> list[str]:
        """Features with a null that nothing fills in."""
        features = self.model.features.tabular_features
        return [
            name
            for name, spec in features.items()
            if spec.impute is None and any(row[name] is None for row in rows)
        ]


def _invalid(faults: Sequence[InputFault], reason: str = "invalid_input") -> Problem:
    named = sorted({fault.field for fault in faults if fault.field})
    about = f": {', '.join(named[:20])}" if named else ""
    return Problem(
        _UNPROCESSABLE,
        reason,
        f"{len(faults)} faults in the input{about}",
        errors=[fault.as_json() for fault in faults],
    )


def as_json(value: Any) -> bytes:
    """A small answer, for machines and people."""
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"
