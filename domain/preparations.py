"""How a column is prepared: a row for each imputation, scaler and encoding. A new one is a row.

Classes are named as in scikit-learn's `preprocessing`, since the domain imports none of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

from domain.values import one_of


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
    one that `needs_order` are the places in it, else those among the sorted values.
    """

    encoder: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    takes_unseen: bool = False
    needs_order: bool = False


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
        "OneHotEncoder", {"handle_unknown": "ignore", "sparse_output": False}, takes_unseen=True
    ),
}


def imputations_of_categories() -> tuple[str, ...]:
    """The names of those that categories can be imputed by."""
    return tuple(name for name, imputation in IMPUTATIONS.items() if imputation.of_categories)


NumberImputation = Annotated[str, one_of(lambda: IMPUTATIONS)]
CategoryImputation = Annotated[str, one_of(imputations_of_categories)]
Scaler = Annotated[str, one_of(lambda: SCALERS)]
EncodingName = Annotated[str, one_of(lambda: ENCODINGS)]
