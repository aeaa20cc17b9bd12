"""What to say of a row that the contract allows and the fitted model cannot take."""

from collections.abc import Sequence
from typing import Final

from domain.wording import counted
from service.models.request_checks import InputFault
from service.serving.served_model import ServedModel

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
