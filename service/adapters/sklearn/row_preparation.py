"""The fitted preprocessing once more, for the few rows of a request: the same numbers, without pandas.

A pipeline prepares column by column and takes milliseconds for each, however few the rows. Here all columns
of numbers go through NumPy together, and a category is looked up. It is read off the fitted pipeline, and the
results are the pipeline's to the bit. What has a step that is not Laurel's is the pipeline's own to prepare.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import repeat
from operator import itemgetter
from typing import Any, Final, NamedTuple, Self

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from domain.arrays import Floats, RowColumns

_NUMBER_STEPS = ({"number", "array"}, {"impute", "clip", "scale"})  # those that are always there, and others
_CATEGORY_STEPS = ({"values", "category", "array", "encode"}, {"impute", "whole", "digits"})
_CALLS = (FunctionTransformer,)
_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "impute": (SimpleImputer, FunctionTransformer),
    "scale": (StandardScaler, MinMaxScaler),
    "encode": (OneHotEncoder, OrdinalEncoder),
}
_UNSEEN: Final[Mapping[type, str]] = {OneHotEncoder: "ignore", OrdinalEncoder: "error"}
# How a value shows that it has no code, or is no number.
UNKNOWN: Final = (KeyError, TypeError, ValueError, OverflowError)
_NO_SUM = -0.0  # adding it changes no number, not even a negative zero


class _Numbers(NamedTuple):
    """What is done to one column of numbers, in this order; a NaN as `fill` leaves nulls as they are."""

    fill: float
    lowest: float
    highest: float
    mean: float
    scale: float
    factor: float
    offset: float

    @classmethod
    def of(cls, steps: Mapping[str, Any]) -> Self:
        clip = steps["clip"].kw_args if "clip" in steps else {"a_min": -np.inf, "a_max": np.inf}
        mean, scale, factor, offset = 0.0, 1.0, 1.0, _NO_SUM
        match steps.get("scale"):
            case StandardScaler() as scaler:
                mean, scale = scaler.mean_[0], scaler.scale_[0]
            case MinMaxScaler() as scaler:
                factor, offset = scaler.scale_[0], scaler.min_[0]
        return cls(_number_fill(steps), clip["a_min"], clip["a_max"], mean, scale, factor, offset)


class _Codes(NamedTuple):
    """One column of categories: the place of each, None standing for a null, from `start` on."""

    column: str
    codes: dict[Any, int]
    start: int
    is_onehot: bool

    def write(self, rows: Sequence[Mapping[str, Any]], to: Floats) -> None:
        """Raises KeyError for a value that has no code and needs one."""
        column, codes, start, is_onehot = self
        for place, row in enumerate(rows):
            value = row[column]
            if value != value:  # noqa: PLR0124 - NaN
                value = None
            if not is_onehot:
                to[place, start] = codes[value]
            elif (code := codes.get(value)) is not None:
                to[place, start + code] = 1.0

    def write_column(self, values: Sequence[Any], to: Floats) -> None:
        """As `write`, for a column without NaN."""
        if not self.is_onehot:
            to[:, self.start] = np.fromiter(map(self.codes.__getitem__, values), np.float64, len(values))
            return
        found = np.fromiter(map(self.codes.get, values, repeat(-1)), np.intp, len(values))
        places = np.flatnonzero(found >= 0)
        to[places, self.start + found[places]] = 1.0


class RowPreparation:
    """Prepares rows that are mappings.

    `categories` are those that the encoders know, by column. `singles` are the columns whose numbers the
    model knows in 32 bits: their values come as such. A prepared row has `width` values.
    """

    def __init__(self, columns: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        numbers: dict[str, tuple[int, _Numbers]] = {}
        self._codes: list[_Codes] = []
        self.width = 0
        self._starts: list[tuple[int, str]] = []
        for column, steps in columns:
            self._starts.append((self.width, column))
            if "encode" in steps:
                is_onehot = isinstance(steps["encode"], OneHotEncoder)
                codes = _codes(steps)
                self._codes.append(_Codes(column, codes, self.width, is_onehot))
                self.width += len(steps["encode"].categories_[0]) if is_onehot else 1
            else:
                numbers[column] = (self.width, _Numbers.of(steps))
                self.width += 1
        self.singles = frozenset(column for column, steps in columns if _is_single(steps))
        self._names = tuple(numbers)
        self._places = [place for place, _ in numbers.values()]
        self._numbers = _Numbers(*np.array([rule for _, rule in numbers.values()]).reshape(-1, 7).T)
        self.categories = {
            one.column: tuple(value for value in one.codes if value is not None) for one in self._codes
        }

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> Floats:
        """One row of float64 for each. Raises `UNKNOWN` for what it does not know."""
        prepared = self._empty(len(rows))
        if self._names:
            prepared[:, self._places] = self._prepared_numbers(_numbers(rows, self._names))
        for one in self._codes:
            one.write(rows, prepared)
        return prepared

    def of_columns(self, columns: RowColumns) -> Floats:
        """The same rows by column. Raises `UNKNOWN` for what it does not know."""
        prepared = self._empty(len(columns.numbers))
        if self._names:
            places = [columns.names.index(name) for name in self._names]
            prepared[:, self._places] = self._prepared_numbers(columns.numbers[:, places])
        for one in self._codes:
            one.write_column(columns.values(one.column), prepared)
        return prepared

    def column_of(self, place: int) -> str:
        """The column that a place of a prepared row belongs to."""
        return next(column for start, column in reversed(self._starts) if start <= place)

    def column_at_fault(self, rows: Sequence[Mapping[str, Any]]) -> str | None:
        """The first column that these rows cannot be prepared for; None when all can."""
        attempts: list[tuple[str, Callable[[], Any]]] = [
            *((name, partial(_numbers, rows, [name])) for name in self._names),
            *((one.column, partial(one.write, rows, self._empty(len(rows)))) for one in self._codes),
        ]
        return next((column for column, attempt in attempts if not _works(attempt)), None)

    def _empty(self, rows: int) -> Floats:
        return np.zeros((rows, self.width))

    def _prepared_numbers(self, block: Floats) -> Floats:
        rule = self._numbers
        block = np.where(np.isnan(block), rule.fill, block)
        np.clip(block, rule.lowest, rule.highest, out=block)
        block -= rule.mean
        block /= rule.scale
        block *= rule.factor
        block += rule.offset
        return block


def row_preparation(pipeline: Pipeline) -> RowPreparation | None:
    """Read the fitted preprocessing of a pipeline; None where a step is not one of Laurel's."""
    preprocessing = pipeline[0]
    if len(pipeline) != len(("preprocessing", "model")) or not isinstance(preprocessing, ColumnTransformer):
        return None
    fitted = [(column, steps) for _, steps, column in preprocessing.transformers_ if steps != "drop"]
    if not all(isinstance(column, str) and _is_known(steps) for column, steps in fitted):
        return None
    return RowPreparation([(column, steps.named_steps) for column, steps in fitted])


def _is_known(prepared: Any) -> bool:
    if not isinstance(prepared, Pipeline):
        return False
    steps = prepared.named_steps
    names = set(steps)
    is_ours = any(always <= names <= always | others for always, others in (_NUMBER_STEPS, _CATEGORY_STEPS))
    return is_ours and all(_is_read(name, step) for name, step in steps.items())


def _is_read(name: str, step: Any) -> bool:
    """True for a step that is understood here; an encoder with other answers for the unseen is not."""
    answer = _UNSEEN.get(type(step))
    return isinstance(step, _KINDS.get(name, _CALLS)) and answer in {
        None,
        getattr(step, "handle_unknown", None),
    }


def _number_fill(steps: Mapping[str, Any]) -> float:
    if "impute" not in steps:
        return np.nan
    imputer = steps["impute"]
    return float(imputer.statistics_[0] if hasattr(imputer, "statistics_") else imputer.kw_args["nan"])


def _is_single(steps: Mapping[str, Any]) -> bool:
    kept = steps["number" if "number" in steps else "values"]
    return bool(kept.kw_args["dtype"] == "Float32")


def _codes(steps: Mapping[str, Any]) -> dict[Any, int]:
    plain = _number_of_digits if "digits" in steps else _plain
    codes = {plain(value): code for code, value in enumerate(steps["encode"].categories_[0])}
    if "impute" in steps:
        fill = plain(steps["impute"].statistics_[0])
        codes.pop(None, None)
        if fill in codes:
            codes[None] = codes[fill]
    return codes


def _numbers(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Floats:
    values = list(map(itemgetter(*names), rows))
    return np.array(values, dtype=np.float64).reshape(len(rows), len(names))  # of one name come no tuples


def _works(attempt: Callable[[], Any]) -> bool:
    try:
        attempt()
    except UNKNOWN:
        return False
    return True


def _plain(value: Any) -> Any:
    return None if value != value else value  # noqa: PLR0124 - NaN


def _number_of_digits(value: Any) -> Any:
    if not isinstance(value, str):
        return None
    return int(value) if value.lstrip("-").isdigit() else float(value)
