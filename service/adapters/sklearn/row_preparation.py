"""The fitted preprocessing once more, for the few rows of a request: the same numbers, without pandas.

A pipeline prepares column by column and takes milliseconds for each, however few the rows. Here all columns
of numbers go through NumPy together, and a category is looked up. It is read off the fitted pipeline, and the
results are the pipeline's to the bit.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Self

import numpy as np
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from domain.errors import ModelUnusable
from domain.metrics import Floats

_NUMBER_STEPS = ({"number", "array"}, {"impute", "clip", "scale"})  # those that are always there, and others
_CATEGORY_STEPS = ({"values", "category", "array", "encode"}, {"impute", "whole", "digits"})
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
        for place, row in enumerate(rows):
            value = row[self.column]
            if value != value:  # noqa: PLR0124 - NaN
                value = None
            if not self.is_onehot:
                to[place, self.start] = self.codes[value]
            elif (code := self.codes.get(value)) is not None:
                to[place, self.start + code] = 1.0


class RowPreparation:
    """Prepares rows that are mappings.

    `categories` are those that the encoders know, by column. `singles` are the columns whose numbers the
    model knows in 32 bits: their values come as such.
    """

    def __init__(self, columns: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        numbers: dict[str, tuple[int, _Numbers]] = {}
        self._codes: list[_Codes] = []
        self._width = 0
        self._starts: list[tuple[int, str]] = []
        for column, steps in columns:
            self._starts.append((self._width, column))
            if "encode" in steps:
                is_onehot = isinstance(steps["encode"], OneHotEncoder)
                codes = _codes(steps)
                self._codes.append(_Codes(column, codes, self._width, is_onehot))
                self._width += len(steps["encode"].categories_[0]) if is_onehot else 1
            else:
                numbers[column] = (self._width, _Numbers.of(steps))
                self._width += 1
        self.singles = frozenset(column for column, steps in columns if _is_single(steps))
        self._names = tuple(numbers)
        self._places = [place for place, _ in numbers.values()]
        self._numbers = _Numbers(*np.array([rule for _, rule in numbers.values()]).reshape(-1, 7).T)
        self.categories = {
            one.column: tuple(value for value in one.codes if value is not None) for one in self._codes
        }

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> Floats:
        """One row of float64 for each. Raises `UNKNOWN` for what it does not know."""
        prepared = self._empty(rows)
        if self._names:
            prepared[:, self._places] = self._prepared_numbers(rows)
        for one in self._codes:
            one.write(rows, prepared)
        return prepared

    def column_of(self, place: int) -> str:
        """The column that a place of a prepared row belongs to."""
        return next(column for start, column in reversed(self._starts) if start <= place)

    def column_at_fault(self, rows: Sequence[Mapping[str, Any]]) -> str | None:
        """The first column that these rows cannot be prepared for; None when all can."""
        attempts: list[tuple[str, Callable[[], Any]]] = [
            *((name, partial(_numbers, rows, [name])) for name in self._names),
            *((one.column, partial(one.write, rows, self._empty(rows))) for one in self._codes),
        ]
        return next((column for column, attempt in attempts if not _works(attempt)), None)

    def _empty(self, rows: Sequence[Any]) -> Floats:
        return np.zeros((len(rows), self._width))

    def _prepared_numbers(self, rows: Sequence[Mapping[str, Any]]) -> Floats:
        rule = self._numbers
        block = _numbers(rows, self._names)
        block = np.where(np.isnan(block), rule.fill, block)
        np.clip(block, rule.lowest, rule.highest, out=block)
        block -= rule.mean
        block /= rule.scale
        block *= rule.factor
        block += rule.offset
        return block


def row_preparation(preprocessing: Any) -> RowPreparation:
    """Read a fitted ColumnTransformer. Raises ModelUnusable for steps that Laurel's do not have."""
    columns = [
        (column, steps.named_steps) for _, steps, column in preprocessing.transformers_ if steps != "drop"
    ]
    if strange := [column for column, steps in columns if not _is_known(steps)]:
        raise ModelUnusable(
            "unloadable_model",
            f"column {strange[0]!r} is prepared in a way that this version of Laurel does not know; "
            "serve the model with the version that trained it",
        )
    return RowPreparation(columns)


def _is_known(names: Iterable[str]) -> bool:
    found = set(names)
    return any(always <= found <= always | others for always, others in (_NUMBER_STEPS, _CATEGORY_STEPS))


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


def _numbers(rows: Sequence[Mapping[str, Any]], names: Iterable[str]) -> Floats:
    return np.array([[row[name] for name in names] for row in rows], dtype=np.float64)


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
