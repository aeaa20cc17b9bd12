"""What a usable configuration file should be asked about: it may be meant so, and seldom is."""

from domain.data_contract import DataContract
from domain.faults import Fault
from domain.metrics import METRICS
from domain.periods import date_form
from domain.split_rule import SplitRule
from domain.text_pattern import why_not_linear


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
