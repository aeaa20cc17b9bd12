"""The feature schema: which columns the model sees, in which order, and how each is prepared.

The file is `features/vN.yaml`. Per column the order of operations is impute → clip → scale for numbers and
impute → encode for categories; a step that is not named is not taken. A new imputation, scaler or encoding is
a row. Classes are named as in scikit-learn's `preprocessing`, since the domain imports none of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, Self

from pydantic import (
    Discriminator,
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
    Tag,
    field_validator,
    model_validator,
)

from domain.values import ConfigVersion, Value, one_of


@dataclass(frozen=True)
class Imputation:
    """A strategy of scikit-learn's imputer.

    One that is not `of_categories` takes numbers alone. One that `fills_empty` needs no value of the column.
    """

    of_categories: bool = True
    fills_empty: bool = False


@dataclass(frozen=True)
class Encoding:
    """What makes numbers of categories: a class, and its arguments.

    One that `takes_unseen` has an answer for nulls and for categories that were not in training. The codes of
    one that `needs_order` are the places in it, else those among the sorted values. `column_per_value`: the
    more values there are, the wider the rows become.
    """

    encoder: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    takes_unseen: bool = False
    needs_order: bool = False
    column_per_value: bool = False


IMPUTATIONS: Final[dict[str, Imputation]] = {
    "mean": Imputation(of_categories=False),
    "median": Imputation(of_categories=False),
    "most_frequent": Imputation(),
    "constant": Imputation(fills_empty=True),
}
SCALERS: Final[dict[str, str]] = {"standard": "StandardScaler", "minmax": "MinMaxScaler"}
ENCODINGS: Final[dict[str, Encoding]] = {
    "binary": Encoding("OrdinalEncoder"),
    "ordinal": Encoding("OrdinalEncoder", needs_order=True),
    "onehot": Encoding(
        "OneHotEncoder",
        {"handle_unknown": "ignore", "sparse_output": False},
        takes_unseen=True,
        column_per_value=True,
    ),
}


def imputations_of_categories() -> tuple[str, ...]:
    """The names of those that categories can be imputed by."""
    return tuple(name for name, imputation in IMPUTATIONS.items() if imputation.of_categories)


NumberImputation = Annotated[str, one_of(lambda: IMPUTATIONS)]
CategoryImputation = Annotated[str, one_of(imputations_of_categories)]
Scaler = Annotated[str, one_of(lambda: SCALERS)]
EncodingName = Annotated[str, one_of(lambda: ENCODINGS)]


Category = StrictStr | StrictInt | StrictFloat
Bound = Annotated[float, Field(strict=True)]  # strict: `1e5` without a dot is text in YAML, not a number

# What `impute: constant` fills in: scikit-learn's own defaults, which the user's models were trained with.
NUMBER_FILL: Final = 0
TEXT_FILL: Final = "missing_value"


class NumericSpec(Value):
    """How one column of numbers is prepared; with `type` alone it passes through.

    `clip` is (lowest, highest), inclusive. Without `impute` a null reaches the estimator as NaN.
    """

    type: Literal["numeric"]
    impute: NumberImputation | None = None
    clip: tuple[Bound, Bound] | None = None
    scaler: Scaler | None = None

    @field_validator("clip")
    @classmethod
    def _clip_is_an_interval(cls, clip: tuple[float, float] | None) -> tuple[float, float] | None:
        if clip is not None and clip[0] > clip[1]:
            raise ValueError(f"clip is [lowest, highest], and {clip[0]:g} is more than {clip[1]:g}")
        return clip


class CategoricalSpec(Value):
    """How one column of categories is prepared.

    - `ordinal`: the code is the place in `order`; a value outside of it is an error.
    - `binary`: the code is the place among the values sorted (more than two are accepted); `order`, if
      given, says which values are allowed but not their codes. A null without `impute` is an error.
    - `onehot`: one 0/1 column per value seen in training, sorted; an unseen value is all zeros. Nulls in
      training are a value of their own unless imputed. `order` has no effect.
    """

    type: Literal["categorical"]
    impute: CategoryImputation | None = None
    encoding: EncodingName
    order: tuple[Category, ...] | None = None

    @property
    def encoder(self) -> Encoding:
        """What the encoding is."""
        return ENCODINGS[self.encoding]

    @property
    def fill(self) -> str | int:
        """What `impute: constant` fills in, as far as `order` tells; without one, text is assumed."""
        return NUMBER_FILL if self.order and not isinstance(self.order[0], str) else TEXT_FILL

    @field_validator("impute", mode="before")
    @classmethod
    def _no_average_of_categories(cls, impute: object) -> object:
        allowed = imputations_of_categories()
        if isinstance(impute, str) and impute in IMPUTATIONS and impute not in allowed:
            raise ValueError(f"categories cannot be imputed by {impute}: allowed are {' and '.join(allowed)}")
        return impute

    @field_validator("order", mode="before")
    @classmethod
    def _no_truth_values(cls, order: object) -> object:
        if isinstance(order, list | tuple) and any(isinstance(value, bool) for value in order):
            raise ValueError("order holds true or false: YAML reads a bare yes, no, on, off so; quote them")
        return order

    @field_validator("order")
    @classmethod
    def _order_is_usable(cls, order: tuple[Category, ...] | None) -> tuple[Category, ...] | None:
        if order is None:
            return None
        if not order:
            raise ValueError("order is empty: list the values, or leave it out")
        if len(set(order)) != len(order):
            raise ValueError("order names a value twice")
        if len({isinstance(value, str) for value in order}) > 1:
            raise ValueError("order mixes text and numbers: quote them all, or none")
        return order

    @model_validator(mode="after")
    def _ordinal_has_its_order(self) -> Self:
        if not self.encoder.needs_order:
            return self
        if self.order is None:
            raise ValueError(f"encoding: {self.encoding} needs order: [lowest, …, highest]")
        if self.impute == "constant" and self.fill not in self.order:
            raise ValueError(f"impute: constant fills {self.fill!r}, which order must name")
        return self


def _spec_type(spec: object) -> str | None:
    found = spec.get("type") if isinstance(spec, Mapping) else getattr(spec, "type", None)
    return found if isinstance(found, str) else None


FeatureSpec = Annotated[
    Annotated[NumericSpec, Tag("numeric")] | Annotated[CategoricalSpec, Tag("categorical")],
    Discriminator(
        _spec_type,
        custom_error_type="feature_type",
        custom_error_message="a feature says `type: numeric` or `type: categorical`; it may not be empty",
    ),
]


class FeatureSchema(Value):
    """One version of the features. The order of `tabular_features` is the model's column order.

    A store that sorts the keys of a map would make another model of it, so pairs in a list are read as well.
    The target never stands here; it comes from the data contract.
    """

    version: Annotated[ConfigVersion, Field(strict=True)]
    data_contract: Annotated[ConfigVersion, Field(strict=True)]
    tabular_features: Mapping[str, FeatureSpec] = Field(min_length=1)
    image_features: None = None
    split_columns: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The model's columns, in its order."""
        return tuple(self.tabular_features)

    @field_validator("tabular_features", mode="before")
    @classmethod
    def _pairs_are_a_map(cls, features: object) -> object:
        if not isinstance(features, list | tuple):
            return features
        if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in features):  # noqa: PLR2004 - a pair
            raise ValueError("tabular_features maps each column to its spec")
        return dict(features)

    @field_validator("image_features", mode="before")
    @classmethod
    def _images_are_carried_not_trained_on(cls, features: object) -> None:
        if features:
            raise ValueError("image_features must be empty or absent: images are carried, not trained on")

    @field_validator("split_columns", mode="before")
    @classmethod
    def _no_split_columns(cls, columns: object) -> object:
        return () if columns is None else columns
