"""Everything that is asked of a master's rows, and the writing of its parts, in one pass over them.

The parts are drafts: what is found in the last row may still forbid them.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from types import MappingProxyType
from typing import Any, Final, Protocol

import polars as pl

from domain.data_contract import DataContract
from domain.split_rule import Locality, SplitRule
from service.adapters.files.atomic import Draft
from service.adapters.files.scratch import Scratch
from service.adapters.polars.contract_check import Observation, Observer
from service.adapters.polars.frames import Dataset, engine_errors
from service.adapters.polars.oddities import (
    counted_periods,
    localities_without_rows,
    named_localities,
    period_form,
)
from service.adapters.polars.row_groups import PartWriter
from service.adapters.polars.splitting import Plan, Planner, in_order


class MasterSurvey:
    """The contract check, where each row goes, and the parts that there are `drafts` for, written.

    Of columns that the contract refuses no more is asked. Raises NeverRetry `unreadable_dataset`, TryLater
    `disk_full` or `file_error` of the scratch; an error of the disk is kept in the draft that met it.
    """

    def __init__(
        self,
        dataset: Dataset,
        contract: DataContract,
        rules: SplitRule,
        scratch: Scratch | None = None,
        drafts: Mapping[str, Draft] = MappingProxyType({}),
    ) -> None:
        observer = Observer(dataset, contract, scratch)
        self._rules = rules
        self._questions: _Questions | None = None
        with engine_errors(dataset.path), ExitStack() as stack:
            if not observer.missing:
                writers = {
                    part: stack.enter_context(PartWriter(draft, dataset.schema))
                    for part, draft in drafts.items()
                }
                self._questions = _Questions(dataset, contract, rules, writers)
                observer.know(self._questions.planner.positions)
            self._askers: list[_Asker] = [observer, *(self._questions.askers if self._questions else ())]
            wanted = [*observer.columns, *(self._questions.columns if self._questions else ())]
            self._look_at(dataset.batches(in_order(wanted, dataset)))
            with ThreadPoolExecutor(1) as beside:
                finished = beside.submit(self._finish)
                self.observation: Observation = observer.observation()
            finished.result()

    def _look_at(self, batches: Iterable[pl.DataFrame]) -> None:
        with ThreadPoolExecutor(pl.thread_pool_size()) as threads:
            looks: deque[Future[list[Any]]] = deque()
            for batch in batches:
                looks.append(threads.submit(self._look, batch))
                if len(looks) > _AHEAD:
                    self._take(looks.popleft().result())
            for look in looks:
                self._take(look.result())

    def _look(self, batch: pl.DataFrame) -> list[Any]:
        if self._questions:
            batch = self._questions.planner.prepared(batch)
        return [asker.look(batch) for asker in self._askers]

    def _take(self, looks: list[Any]) -> None:
        for asker, look in zip(self._askers, looks, strict=True):
            asker.take(look)

    def _finish(self) -> None:
        if self._questions:
            self._questions.planner.finish()

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

    def __init__(
        self,
        dataset: Dataset,
        contract: DataContract,
        rules: SplitRule,
        writers: Mapping[str, PartWriter],
    ) -> None:
        self.planner = Planner(dataset, rules, contract.target, writers)
        self.localities = named_localities(dataset, rules)
        self.periods = counted_periods(dataset, rules)
        self.columns = {*self.planner.columns, *self.localities.columns, *self.periods.columns}

    @property
    def askers(self) -> "tuple[_Asker, ...]":
        return self.planner, self.localities, self.periods


class _Asker(Protocol):
    """Looks at batches in any thread, and takes what was found in their order."""

    def look(self, batch: pl.DataFrame) -> Any:
        """Look at some rows."""

    def take(self, look: Any) -> None:
        """Take what was found."""


_AHEAD: Final = 2  # batches that wait while others are looked at
