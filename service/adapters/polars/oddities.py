"""What the rules name and the master does not hold, and periods that cannot be counted with."""

from typing import Any, Final

from domain.nearest import nearest
from domain.periods import date_form
from domain.split_rules import GeographicSplit, Locality, SplitRules
from service.adapters.polars.columns import value_of
from service.adapters.polars.frames import Dataset, engine_errors

_MOST_PERIODS: Final = 50_000  # of days there are fewer in a century


def localities_without_rows(dataset: Dataset, rules: SplitRules) -> dict[Locality, object]:
    """Test localities that no row has, each with the nearest that some row has. Raises NeverRetry."""
    if not isinstance(rules, GeographicSplit):
        return {}
    there = _distinct(dataset, rules.geographic_column)
    absent = set(rules.test_localities) - set(there)
    return {name: nearest(name, there) for name in rules.test_localities if name in absent}


def period_form(dataset: Dataset, rules: SplitRules) -> str | None:
    """The form of date that the periods have, if moving tests subtract from them. Raises NeverRetry."""
    if not rules.moving_tests or rules.periodic_column is None:
        return None
    periods = _distinct(dataset, rules.periodic_column)
    return date_form(periods) if len(periods) <= _MOST_PERIODS else None


def _distinct(dataset: Dataset, name: str) -> list[Any]:
    """The distinct values of a column, nulls left out, in an order of their own."""
    with engine_errors(dataset.path):
        values = dataset.frame.select(value_of(name, dataset.schema[name]).unique()).collect(
            engine="streaming"
        )
    return sorted(values.to_series().drop_nulls().to_list())
