"""Where rules, metric and rows disagree: names without rows, rows out of place, odd periods."""

from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from domain.config_questions import date_form
from domain.data_contract import DataContract
from domain.split_rule import Locality, SplitRule
from domain.wording import nearest
from service.adapters.polars.contract_check import SAMPLES, sample_keys
from service.adapters.polars.frames import Dataset, all_of, engine_errors, value_of
from service.adapters.polars.splitting import outside

_MOST_PERIODS: Final = 50_000  # of days there are fewer in a century


class Distinct:
    """Gathers the values that a column has, a batch after the other; of none, none. Nulls are left out.

    Beyond `most` values there is no answer (None).
    """

    def __init__(self, dataset: Dataset, name: str | None, most: int | None = None) -> None:
        self.columns = () if name is None else (name,)
        self._values = [value_of(name, dataset.schema[name]).unique() for name in self.columns]
        self._found: set[Any] | None = set()
        self._most = most

    def look(self, batch: pl.DataFrame) -> list[Any]:
        """Look at some rows, in any thread. Raises PolarsError."""
        if self._found is None or not self._values:
            return []
        return batch.select(self._values).to_series().drop_nulls().to_list()

    def take(self, look: list[Any]) -> None:
        """Take what was found."""
        if self._found is None:
            return
        self._found.update(look)
        if self._most is not None and len(self._found) > self._most:
            self._found = None

    @property
    def values(self) -> list[Any] | None:
        """The values in an order of their own."""
        return None if self._found is None else sorted(self._found)


def named_localities(dataset: Dataset, rules: SplitRule) -> Distinct:
    """Gather what `localities_without_rows` asks for."""
    return Distinct(dataset, rules.localities.column if rules.localities else None)


def counted_periods(dataset: Dataset, rules: SplitRule) -> Distinct:
    """Gather what `date_form` asks for: the periods, if moving tests subtract from them."""
    return Distinct(dataset, rules.periodic_column if rules.moving_tests else None, _MOST_PERIODS)


def localities_without_rows(there: Distinct, rules: SplitRule) -> dict[Locality, object]:
    """Test localities that no row has, each with the nearest that some row has."""
    if rules.localities is None:
        return {}
    values = there.values or []
    absent = set(rules.localities.names) - set(values)
    return {name: nearest(name, values) for name in rules.localities.names if name in absent}


def period_form(periods: Distinct) -> str | None:
    """The form of date that the periods have."""
    return date_form(periods.values) if periods.values else None


def rows_outside(
    reference: Dataset, rules: SplitRule, contract: DataContract
) -> tuple[int, Sequence[object]]:
    """Count the rows that may not stand in the reference by the rules, and show keys of some.

    The reference has the columns that the rules ask for. Raises NeverRetry `unreadable_dataset`.
    """
    with engine_errors(reference.path):
        rows = outside(reference, rules)
        keys = rows.select(all_of(contract.primary_key)).collect(engine="streaming")
    return keys.height, sample_keys(keys.head(SAMPLES))


def rows_below_zero(dataset: Dataset, target: str) -> int:
    """Count rows with a target below 0. Raises NeverRetry `unreadable_dataset`."""
    with engine_errors(dataset.path):
        below = dataset.frame.select((value_of(target, dataset.schema[target]) < 0).sum())
        return int(below.collect(engine="streaming").item())
