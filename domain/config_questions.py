"""What a usable configuration file should be asked about: it may be meant so, and seldom is."""

from domain.data_contract import DataContract
from domain.faults import Fault
from domain.periods import date_form
from domain.split_rules import GeographicSplit, HashSplit, SplitRules, TemporalSplit


def contract_question(contract: DataContract, metric: str) -> Fault | None:
    """Ask about a target that may be below 0 where the gate's metric counts that as 0."""
    least = contract.columns[contract.target].min
    if metric != "rmsle" or (least is not None and least >= 0):
        return None
    return Fault(
        code="metric_unfit",
        field=f"columns.{contract.target}",
        message=f"can the target {contract.target} be below 0? rmsle, by which the gate judges, would not "
        "fit it, and every verdict would be INCONCLUSIVE",
        allowed="min: 0 for the target, or GATE__METRIC=mae",
        file=f"data_contracts/v{contract.version}.yaml",
    )


def split_question(split: SplitRules) -> Fault | None:
    """Ask about periods that are dates written as numbers, where a duration is subtracted from them."""
    form = date_form(_bounds(split)) if split.moving_tests else None
    if form is None:
        return None
    return Fault(
        code="period_is_a_date",
        field="moving_test_period",
        message=f"is {split.periodic_column} a date written as {form}? durations are subtracted from it as "
        "from any number, and would not be those that are meant",
        allowed="periods that are counted by one, such as months since a fixed date",
        file=f"splits/v{split.version}.yaml",
    )


def _bounds(split: GeographicSplit | HashSplit | TemporalSplit) -> list[float]:
    period = split.reference_test_period
    if period is None or period.max is None:
        return []
    return [period.min, period.max]
