"""The data contract: which columns the master has, and what may stand in them.

The file is `data_contracts/vN.yaml`. The primary key and the target are never null, whatever their rules
say: a row without them can neither be told from others nor learned from.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    JsonValue,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from domain.text_pattern import is_linear
from domain.values import ConfigVersion, Value

ColumnType = Literal["string", "int", "float"]
Number = StrictInt | StrictFloat
Allowed = StrictStr | StrictInt | StrictFloat
ColumnNames = Annotated[tuple[StrictStr, ...], Field(min_length=1)]


class ColumnRule(Value):
    """What may stand in one column.

    `min` and `max` are inclusive; `format` is a regular expression that the whole text matches. One that only
    Python knows is none for a new contract, but contracts of old hold such. A null passes every rule but
    `non_nullable`. `external_file` marks images: carried, not trained on.
    """

    type: ColumnType
    non_nullable: StrictBool = False
    min: Number | None = None
    max: Number | None = None
    allowed_values: Annotated[tuple[Allowed, ...], Field(min_length=1)] | None = None
    format: StrictStr | None = None
    external_file: StrictBool | Mapping[str, JsonValue] | None = None

    @field_validator("format")
    @classmethod
    def _format_is_a_pattern(cls, pattern: str | None) -> str | None:
        if pattern is None or is_linear(pattern):
            return pattern
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"is not a regular expression: {error}") from None
        return pattern

    @model_validator(mode="after")
    def _rules_fit_the_type(self) -> Self:
        bounds = [bound for bound in (self.min, self.max) if bound is not None]
        if self.type == "string" and bounds:
            raise ValueError("min and max are for numbers: this column is type: string")
        if self.type != "string" and self.format is not None:
            raise ValueError(f"format is for text: this column is type: {self.type}")
        if len(bounds) > 1 and bounds[0] > bounds[1]:
            raise ValueError(f"min {bounds[0]} is more than max {bounds[1]}")
        odd = [value for value in self.allowed_values or () if not _is_a(self.type, value)]
        if odd:
            raise ValueError(f"allowed_values holds {odd[0]!r}, which is not of type {self.type}")
        return self

    @property
    def is_number(self) -> bool:
        """True when the column holds numbers."""
        return self.type != "string"


class Deduplication(Value):
    """Rows that agree in `subset` are one row; the data pipeline keeps the `keep` one when it appends."""

    subset: ColumnNames
    keep: Literal["first", "last", False] = "last"


class DataContract(Value):
    """One version of the data contract."""

    version: Annotated[ConfigVersion, Field(strict=True)]
    columns: Annotated[Mapping[StrictStr, ColumnRule], Field(min_length=1)]
    primary_key: ColumnNames
    target: StrictStr
    deduplication: Deduplication | None = None
    tabular_extensions: tuple[StrictStr, ...] = ()
    image_extensions: tuple[StrictStr, ...] = ()

    @field_validator("tabular_extensions", "image_extensions", mode="before")
    @classmethod
    def _none_is_empty(cls, extensions: object) -> object:
        return () if extensions is None else extensions

    @model_validator(mode="after")
    def _names_are_columns(self) -> Self:
        named = [("primary_key", column) for column in self.primary_key] + [("target", self.target)]
        if self.deduplication is not None:
            named += [("deduplication", column) for column in self.deduplication.subset]
        missing = [f"{where}: {column!r}" for where, column in named if column not in self.columns]
        if missing:
            raise ValueError(f"not among the columns: {', '.join(missing)}")
        return self

    @model_validator(mode="after")
    def _target_is_a_number(self) -> Self:
        if self.target in self.primary_key:
            raise ValueError(f"the target {self.target!r} is part of the primary key")
        if self.target in self.columns and not self.columns[self.target].is_number:
            raise ValueError(f"the target {self.target!r} is type: string; a regression needs a number")
        return self

    @property
    def never_null(self) -> frozenset[str]:
        """The columns in which a null breaks the contract."""
        ruled = {name for name, rule in self.columns.items() if rule.non_nullable}
        return frozenset(ruled | {*self.primary_key, self.target})


def _is_a(column_type: ColumnType, value: str | float) -> bool:
    if column_type == "string":
        return isinstance(value, str)
    return isinstance(value, int) if column_type == "int" else not isinstance(value, str)
