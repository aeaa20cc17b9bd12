"""From a request's bytes to an answer's, for one model: read, check, predict, write."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from math import isfinite
from typing import Final

from domain.errors import ModelUnusable
from domain.wording import counted
from service.models.request_checks import InputFault, RequestChecks
from service.models.request_fields import request_fields
from service.runtime.web.bodies import read_json
from service.runtime.web.problems import ProblemDetails
from service.serving.drift import DriftWatch
from service.serving.request_size import refuse_large_row, refuse_oversize, too_many_rows
from service.serving.served_model import Row, ServedModel
from service.serving.serving_metrics import InferenceMetrics
from service.serving.untaken import sentence, taken_by, whole_row

_MOST_FAULTS: Final = 1000  # in one answer; a list of rows may have any number
_MOST_HELPED: Final = 3  # of them
_MOST_SAID: Final = 1_000_000  # letters of what is allowed, in one answer
_UNPROCESSABLE: Final = HTTPStatus.UNPROCESSABLE_ENTITY.value


@dataclass(frozen=True)
class Limits:
    """What one request may hold, and what becomes of fields that are not features."""

    max_rows: int
    max_body_bytes: int
    refuses_unknown: bool


class Predictor:
    """Answers predictions with one model; made once per model. Thread-safe.

    One that `is_slow` asks another process for some texts, and is for a thread.
    """

    def __init__(self, model: ServedModel, limits: Limits, metrics: InferenceMetrics) -> None:
        self.model = model
        self._limits = limits
        self._metrics = metrics
        self.fields = request_fields(model.features, model.contract, model.known, model.singles)
        self.is_slow = any(field.is_slow for field in self.fields)
        self._checks = RequestChecks(self.fields, refuse_unknown=limits.refuses_unknown)
        self._drift = DriftWatch(model.features, model.known, model.ranges)
        self._tail = f',"model_version":"{model.version}"}}'
        metrics.drift.keep(model.features.columns)
        generation = {} if model.generation is None else {"Laurel-Generation": str(model.generation)}
        self.headers = {**generation, "Content-Type": "application/json"}

    def answer(self, body: bytes) -> bytes:
        """The answer's bytes: one object for one, a list for a list, in its order. Raises Problem."""
        refuse_oversize(body, self._limits.max_rows)
        asked = read_json(body)
        refuse_large_row(body, asked, self._limits.max_rows)
        if isinstance(asked, list):
            return b"[" + ",".join(self._answers(asked)).encode() + b"]"
        row = self._checks.taken(asked)
        if row is None:
            faults = islice(self._checks.faults(asked, 0), _MOST_FAULTS)
            raise _invalid(self._helpful([*faults], [asked]))
        began = time.perf_counter()
        said = self._predict([row])
        self._metrics.one_row.observe(time.perf_counter() - began)
        return self._shown(said[0]).encode()

    def _answers(self, asked: Sequence[object]) -> Iterator[str]:
        if len(asked) > self._limits.max_rows:
            raise too_many_rows(f"{len(asked)} rows came", self._limits.max_rows)
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

    def _helpful(self, faults: Sequence[InputFault], asked: Sequence[object]) -> list[InputFault]:
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
            allowed = "rows with a finite prediction"
            faults = [
                InputFault(place, "", "a row whose prediction is not finite", allowed) for place in places
            ]
            detail = counted(
                len(places), "row without a finite prediction", "rows without a finite prediction"
            )
            raise _invalid(faults[:_MOST_FAULTS], "prediction_not_finite", detail)
        self._metrics.rows.inc(len(rows))
        self._metrics.drift.add(self._drift.hits(rows))
        return said

    def _untaken(self, rows: Sequence[Row], error: ModelUnusable) -> ProblemDetails:
        """The model cannot take a row that the rules allow: a value, or a null, that no training row held."""
        column = error.facts.get("column")
        suspects = self._unfilled(rows) or ([str(column)] if column else [])
        faults = [
            self._checks.fault(row, name, place, taken_by(self.model, name, row[name]))
            for place, row in enumerate(rows)
            for name in suspects
            if row[name] is None or name == column
        ]
        if not faults and len(rows) == 1:
            faults = [whole_row()]
        return _invalid(faults[:_MOST_FAULTS], "not_taken_by_model", sentence(faults))

    def _unfilled(self, rows: Sequence[Row]) -> list[str]:
        """Features with a null that nothing fills in."""
        features = self.model.features.tabular_features
        return [
            name
            for name, spec in features.items()
            if spec.impute is None and any(row[name] is None for row in rows)
        ]


def _invalid(
    faults: Sequence[InputFault], reason: str = "invalid_input", detail: str | None = None
) -> ProblemDetails:
    named = sorted({fault.field for fault in faults if fault.field})
    about = f": {', '.join(named[:20])}" if named else ""
    return ProblemDetails(
        _UNPROCESSABLE,
        reason,
        detail or f"{counted(len(faults), 'invalid value', 'invalid values')}{about}",
        errors=[fault.as_json() for fault in _few(faults)],
    )


def _few(faults: Sequence[InputFault]) -> Iterator[InputFault]:
    """The first faults, as many as an answer has room for: what is allowed may be a long list each time."""
    room = _MOST_SAID
    for fault in faults:
        yield fault
        room -= len(fault.allowed)
        if room < 0:
            return
