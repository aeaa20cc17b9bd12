"""What a usable configuration file should be asked about: it may be meant so, and seldom is.

Periods may be dates written as one number: differences between them are not lengths of time.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Final

from domain.data_contract import DataContract
from domain.faults import Fault
from domain.metrics import METRICS
from domain.split_rule import SplitRule
from domain.text_pattern import why_not_linear

_YEARS: Final = range(1900, 2101)
_MONTHS: Final = range(1, 13)
_DAYS: Final = range(1, 32)
_WEEKS: Final = range(1, 54)
_QUARTERS: Final = range(1, 5)

_FORMS: Final[Mapping[str, Callable[[int], bool]]] = {
    "YYYYQ": lambda period: period // 10 in _YEARS and period % 10 in _QUARTERS,
    "YYYYMM": lambda period: period // 100 in _YEARS and period % 100 in _MONTHS,
    "YYYYWW": lambda period: period // 100 in _YEARS and period % 100 in _WEEKS,
    "YYYYMMDD": lambda period: (
        period // 10_000 in _YEARS and period // 100 % 100 in _MONTHS and period % 100 in _DAYS
    ),
}


def date_form(periods: Collection[float]) -> str | None:
    """The form in which all of these are dates, such as YYYYMM; None for plain numbers."""
    if len(periods) < 2 or any(period % 1 for period in periods):  # noqa: PLR2004 - one number is no pattern
        return None
    return next((form for form, fits in _FORMS.items() if all(map(fits, map(int, periods)))), None)


def contract_question(contract: DataContract, metric: str) -> Fault | None:
    """Ask about a target that may be below 0 where the gate's metric counts that as 0."""
    least = contract.columns[contract.target].min
    if not METRICS[metric].floors_at_zero or (least is not None and least >= 0):
        return None
    return Fault(
        code="metric_unfit",
        field=f"columns.{contract.target}",
        message=f"can the target {contract.target} be below 0? {metric}, by which the gate judges, would not "
        "fit it, and every verdict would be INCONCLUSIVE",
        allowed="min: 0 for the target, or GATE__METRIC=mae",
        file=f"data_contracts/v{contract.version}.yaml",
    )


def slow_formats(contract: DataContract) -> list[Fault]:
    """Formats that no engine matches within a promised time: a new contract may not hold them."""
    return [
        Fault(
            code="bad_config",
            field=f"columns.{name}.format",
            message=f"the format of {name} cannot be matched in linear time ({why})",
            allowed="a regular expression of Rust's regex crate: no look-around, no back-references",
            file=f"data_contracts/v{contract.version}.yaml",
        )
        for name, rule in contract.columns.items()
        if rule.format is not None and (why := why_not_linear(rule.format))
    ]


def split_question(split: SplitRule) -> Fault | None:
    """Ask about periods that are dates written as numbers, where a duration is subtracted from them."""
    form = date_form(split.reference_bounds or ()) if split.moving_tests else None
    if form is None:
        return None
    return Fault(
        code="period_is_a_date",
        field="moving_test_period",
        message=f"is {split.periodic_column} a date written as {form}? durations are subtracted from it as "
        "from any number, and would not be those that are meant",
        allowed="periods that are counted by one, such as months since a fixed date",
        file=split.file,
    )
