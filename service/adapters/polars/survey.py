"""Everything that is asked of a master's rows before they are written, in one pass over them."""

from concurrent.futures import ThreadPoolExecutor

import polars as pl

from domain.data_contract import DataContract
from domain.split_rule import Locality, SplitRule
from service.adapters.files.scratch import Scratch
from service.adapters.polars.contract_check import Observation, Observer
from service.adapters.polars.frames import Dataset, engine_errors
from service.adapters.polars.oddities import (
    counted_periods,
    localities_without_rows,
    named_localities,
    period_form,
)
from service.adapters.polars.splitting import Plan, Planner, in_order


class Survey:
    """The contract check, and where each row goes. Of columns that the contract refuses no more is asked.

    Raises NeverRetry `unreadable_dataset`, TryLater `disk_full` or `file_error` of the scratch.
    """

    def __init__(
        self, dataset: Dataset, contract: DataContract, rules: SplitRule, scratch: Scratch | None = None
    ) -> None:
        observer = Observer(dataset, contract, scratch)
        self._rules = rules
        self._questions = None
        with engine_errors(dataset.path):
            if not observer.missing:
                self._questions = _Questions(dataset, contract, rules)
            wanted = [*observer.columns, *(self._questions.columns if self._questions else ())]
            with ThreadPoolExecutor(2) as threads:
                for batch in dataset.batches(in_order(wanted, dataset)):
                    planned = self._questions and threads.submit(self._questions.add, batch)
                    observer.add(batch)
                    if planned:
                        planned.result()
        self.observation: Observation = observer.observation()

    def plan(self) -> Plan:
        """Where each row goes; asked when the contract was kept."""
        return self._kept.planner.plan()

    def localities_without_rows(self) -> dict[Locality, object]:
        """Test localities that no row has, each with the nearest that some row has."""
        return localities_without_rows(self._kept.localities, self._rules)

    def period_form(self) -> str | None:
        """The form of date that the periods have, if moving tests subtract from them."""
        return period_form(self._kept.periods)

    @property
    def _kept(self) -> "_Questions":
        if self._questions is None:
            raise RuntimeError("a master that breaks its contract was planned: a defect")
        return self._questions


class _Questions:
    """What the rules ask."""

    def __init__(self, dataset: Dataset, contract: DataContract, rules: SplitRule) -> None:
        self.planner = Planner(dataset, rules, contract.target)
        self.localities = named_localities(dataset, rules)
        self.periods = counted_periods(dataset, rules)
        self.columns = {*self.planner.columns, *self.localities.columns, *self.periods.columns}

    def add(self, batch: pl.DataFrame) -> None:
        for question in (self.planner, self.localities, self.periods):
            question.add(batch)
