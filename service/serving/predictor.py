"""From a request's bytes to an answer's, for one model: read, check, predict, write.

A body is judged before it is read: JSON of few bytes may become objects of many. A row that the contract
allows and the fitted model cannot take is told apart.
"""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from math import isfinite
from typing import Final

import numpy as np

from domain.errors import ModelUnusable
from domain.wording import counted
from service.models.request_columns import ColumnChecks
from service.models.request_fields import InputFault, RequestChecks, request_fields
from service.runtime.web.bodies import read_json
from service.runtime.web.problems import ProblemDetails
from service.serving.drift import DriftWatch
from service.serving.served_model import Row, ServedModel
from service.serving.serving_metrics import InferenceMetrics

_FEW_VALUES: Final = 200_000  # so many take little memory, whatever they are
_MOST_VALUES: Final = 10_000  # of one row
_MOST_NESTED: Final = 1_000  # objects and lists in one row
_NESTED_EACH: Final = 10  # of them in each of the most rows
# Up to the next bracket that stands in no text. A text without an end is passed in one go, too.
_TO_BRACKET: Final = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+"?)*+([\[\]{}]|\Z)', re.DOTALL)
_DEEPEST: Final = 200
_LONG: Final = 16 * 1024
_OPENING: Final = frozenset({b"[", b"{"})


def refuse_oversize(body: bytes, max_rows: int) -> None:
    """Raise Problem for too many rows, or a row too large, before they are objects that take memory."""
    if _opening(body) > max_rows + 1 or _count(body, b",") > _FEW_VALUES:
        _measure(body, max_rows)


def refuse_large_row(body: bytes, asked: object, max_rows: int) -> None:
    """Raise Problem for a row too large in a small body; `asked` is what was read from it.

    Only a body with more brackets than its rows need is measured: in one without, a row's length says it.
    """
    rows = asked if isinstance(asked, list) else [asked]
    if _opening(body) > len(rows) + isinstance(asked, list):
        _measure(body, max_rows)
    elif any(isinstance(row, dict) and len(row) > _MOST_VALUES for row in rows):
        raise _too_many_values()


def _opening(body: bytes) -> int:
    return _count(body, b"[") + _count(body, b"{")


def _count(body: bytes, sign: bytes) -> int:
    """As `bytes.count` does, which takes a microsecond for each kilobyte."""
    if len(body) < _LONG:
        return body.count(sign)
    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == sign[0]))


def _measure(body: bytes, max_rows: int) -> None:
    """Raise Problem. Commas in texts count as if they parted values."""
    size = _Size(max_rows, is_list=body.lstrip()[:1] == b"[")
    for bracket, commas in _brackets(body):
        size.take(bracket, commas)


def _brackets(body: bytes) -> Iterator[tuple[bytes, int]]:
    """Each bracket, and how many commas stand before it."""
    last = 0
    for found in _TO_BRACKET.finditer(body):
        yield found[1], body.count(b",", last, found.end())
        last = found.end()


class _Size:
    def __init__(self, max_rows: int, *, is_list: bool) -> None:
        self._max_rows = max_rows
        self._row_depth = 2 if is_list else 1
        self._depth = 0
        self._rows = 1
        self._values = self._nested = 0  # of the row
        self._brackets = 0

    def take(self, bracket: bytes, commas: int) -> None:
        """Count one bracket and the commas before it. Raises Problem."""
        if self._depth < self._row_depth:
            self._rows += commas
            self._values = self._nested = 0
        else:
            self._values += commas
        opened = bracket in _OPENING
        self._nested += opened
        self._brackets += opened
        self._depth += 1 if opened else -1
        self._refuse()

    def _refuse(self) -> None:
        if self._depth > _DEEPEST:
            detail = f"the body is not JSON: nested more than {_DEEPEST} levels deep"
            raise ProblemDetails(HTTPStatus.BAD_REQUEST, "not_json", detail)
        if self._rows > self._max_rows:
            raise too_many_rows(f"more than {self._max_rows} rows came", self._max_rows)
        if self._values > _MOST_VALUES:
            raise _too_many_values()
        if self._nested > _MOST_NESTED or self._brackets > _MOST_NESTED + _NESTED_EACH * self._max_rows:
            raise _too_large(
                f"a row has more than {_MOST_NESTED} objects and lists, or all rows together too many"
            )


def _too_many_values() -> ProblemDetails:
    return _too_large(f"a row has more than {_MOST_VALUES} values")


def _too_large(detail: str) -> ProblemDetails:
    return ProblemDetails(HTTPStatus.UNPROCESSABLE_ENTITY, "row_too_large", detail)


def too_many_rows(came: str, most: int) -> ProblemDetails:
    """Say how many are taken."""
    detail = f"{came}, at most {most} are allowed at once"
    return ProblemDetails(HTTPStatus.UNPROCESSABLE_ENTITY, "too_many_rows", detail)


_MOST_SHOWN: Final = 20
_NO_NULL: Final = "a value: nothing in the feature schema fills in a null here (`impute`)"
_DO: Final = "send a value that it takes, or train and promote a model whose features take this value"
_COMPARE: Final = "compare it with /schema and with what the model was trained on"
_UNKNOWN: Final = (
    "the fitted model cannot take one of the rows, and does not say which field is the cause; send the rows "
    f"one by one to find it, and {_COMPARE}"
)
_UNKNOWN_FIELD: Final = (
    f"the fitted model cannot take the row, and does not say which field is the cause; {_COMPARE}"
)


def taken_by(model: ServedModel, column: str, value: object) -> str:
    """What the model takes in a column instead of this value, as far as it knows."""
    if value is None:
        return _NO_NULL
    if values := model.known.get(column):
        more = ", …" if len(values) > _MOST_SHOWN else ""
        return (
            f"one of the values that it was trained with: {', '.join(map(str, values[:_MOST_SHOWN]))}{more}"
        )
    if column in model.ranges:
        low, high = model.ranges[column]
        return f"a number as in training, from {low:g} to {high:g}"
    return "a value that it was trained with"


def whole_row() -> InputFault:
    """The fault of a single row of which the model does not say which field it cannot take."""
    return InputFault(0, "", "a row that the fitted model cannot take", "a row like those of its training")


def sentence(faults: Sequence[InputFault]) -> str:
    """What came, what the model takes and what to do, for the first fault; and how many more there are."""
    if not faults:
        return _UNKNOWN
    first, rest = faults[0], len(faults) - 1
    if not first.field:
        return _UNKNOWN_FIELD
    more = f"; {counted(rest, 'more fault', 'more faults')}" if rest else ""
    return (
        "the data contract allows it, but the fitted model cannot take it: "
        f"{first.field} is {first.came} in row {first.row}, and it takes {first.allowed}{more}; {_DO}"
    )


_MOST_FAULTS: Final = 1000  # in one answer; a list of rows may have any number
_MOST_HELPED: Final = 3  # of them
_MOST_SAID: Final = 1_000_000  # letters of what is allowed, in one answer
_MANY: Final = 16  # rows; for fewer, columns cost more than they save
_BEGIN: Final = '{"prediction":'
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
        self._columns = ColumnChecks(self.fields, refuse_unknown=limits.refuses_unknown)
        self._end = f',"model_version":"{model.version}"}}'
        metrics.drift.keep(model.features.columns)
        generation = {} if model.generation is None else {"Laurel-Generation": str(model.generation)}
        self.headers = {**generation, "Content-Type": "application/json"}

    def answer(self, body: bytes) -> bytes:
        """The answer's bytes: one object for one, a list for a list, in its order. Raises Problem."""
        refuse_oversize(body, self._limits.max_rows)
        asked = read_json(body)
        refuse_large_row(body, asked, self._limits.max_rows)
        if isinstance(asked, list):
            return self._list(asked)
        row = self._checks.taken(asked)
        if row is None:
            faults = islice(self._checks.faults(asked, 0), _MOST_FAULTS)
            raise _invalid(self._helpful([*faults], [asked]))
        began = time.perf_counter()
        said = self._predict([row])
        self._metrics.one_row.observe(time.perf_counter() - began)
        return f"{_BEGIN}{said[0]!r}{self._end}".encode()

    def _list(self, asked: Sequence[object]) -> bytes:
        if len(asked) > self._limits.max_rows:
            raise too_many_rows(f"{len(asked)} rows came", self._limits.max_rows)
        if not asked:
            return b"[]"
        said = self._of_columns(asked) or self._of_rows(asked)
        return f"[{_BEGIN}{f'{self._end},{_BEGIN}'.join(map(repr, said))}{self._end}]".encode()

    def _of_columns(self, asked: Sequence[object]) -> list[float] | None:
        """Predict many rows at once; None for what has to be looked at row by row."""
        ask = self.model.predict_columns
        columns = self._columns.taken(asked) if ask is not None and len(asked) >= _MANY else None
        if ask is None or columns is None:
            return None
        began = time.perf_counter()
        said = ask(columns)
        if said is None or not all(map(isfinite, said)):
            return None
        self._metrics.rows.inc(len(said))
        self._metrics.drift.add(self._drift.hits_in(columns))
        self._metrics.list_of_rows.observe(time.perf_counter() - began)
        return said

    def _of_rows(self, asked: Sequence[object]) -> list[float]:
        rows = [self._checks.taken(row) for row in asked]
        if None in rows:
            faults = (fault for place, row in enumerate(asked) for fault in self._checks.faults(row, place))
            raise _invalid(self._helpful([*islice(faults, _MOST_FAULTS)], asked))
        began = time.perf_counter()
        said = self._predict([row for row in rows if row is not None])
        self._metrics.list_of_rows.observe(time.perf_counter() - began)
        return said

    def _helpful(self, faults: Sequence[InputFault], asked: Sequence[object]) -> list[InputFault]:
        """The first faults say what may be meant: to look for it takes longer than all the rest."""
        first = [self._checks.with_nearest(fault, asked[fault.row]) for fault in faults[:_MOST_HELPED]]
        return [*first, *faults[_MOST_HELPED:]]

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
