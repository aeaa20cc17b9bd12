"""What each step leaves in the run's row, as values that survive a restart and are read back here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import Field, ValidationError

from domain.comparison import Compared
from domain.datasets import DatasetHashes, SplitParts, warnings_in
from domain.lifecycle import Step
from domain.metrics import GateMetric, Score
from domain.models import LoggedModel, ModelPackage, OpenedRun
from domain.promotion_checks import Champion, NoChampion, UnreadableChampion, Verdict
from domain.run_warnings import RunWarning
from domain.values import Value, VersionTriple
from domain.wording import iso_time

if TYPE_CHECKING:
    from domain.resolved_config import ResolvedConfig

PRUNED: Final = "pruned"  # stands in the place of what old runs no longer have
KEPT_OUTPUTS: Final = frozenset({PRUNED, "open_run", Step.DECIDE.value})

ChampionOutlook = Champion | NoChampion | UnreadableChampion


class Trained(Value):
    """The package on disk and the logged model that holds its files."""

    package: ModelPackage
    model: LoggedModel


class Evaluated(Value):
    """The candidate's scores by dataset (`reference` and optional tests) and what is known of the other."""

    candidate: Mapping[str, Score]
    champion: ChampionOutlook
    seconds: float

    @property
    def reference(self) -> Score:
        """The candidate on the reference set: what the gate judges."""
        return self.candidate["reference"]


class Decided(Value):
    """The verdict, the champion that it was given against, and what a promotion made."""

    verdict: Verdict
    champion: ChampionOutlook
    version: int | None = None
    generation: int | None = None


class Persisted(Value):
    """The generation of the ledger that alias and defaults showed when they were read back."""

    shown_generation: int


class PrunedOutputs(Value):
    """Since when a run has no more than its verdict; `names` are those of the outputs that went."""

    at: datetime
    names: tuple[str, ...]
    triple: VersionTriple | None = None

    def __str__(self) -> str:
        """In a sentence for people."""
        left = "its verdict and what MLflow keeps are left"
        return f"pruned at {iso_time(self.at)}: what its steps left is gone ({', '.join(self.names)}); {left}"


WAITS: Final = "waits"  # their name among a run's outputs
MOST_WAITS: Final = 20


class PastWait(Value):
    """What held a run up, and is over."""

    call: str = Field(description="The step, or the call within one.", max_length=100)
    waiting_on: str | None = Field(
        description="The service that was away; null: a try failed, or its worker died, and another began."
    )
    reason: str = Field(description="Why, at last: a code for machines.", max_length=100)
    since: datetime = Field(description="From when on; of a try, when it failed or was heard of last.")
    until: datetime = Field(description="Until when.")
    attempts: int = Field(description="How many tries found the service away, or were begun in vain.")


class PastWaits(Value):
    """Those of a run, oldest first: the newest are kept, and how many older ones there were."""

    past: tuple[PastWait, ...] = ()
    left_out: int = 0

    def and_then(self, more: Sequence[PastWait]) -> PastWaits:
        """These and later ones."""
        past = (*self.past, *more)
        left_out = self.left_out + max(len(past) - MOST_WAITS, 0)
        return PastWaits(past=past[-MOST_WAITS:], left_out=left_out)


Part = TypeVar("Part", bound=Value)
T = TypeVar("T")


@dataclass(frozen=True)
class RunRecord:
    """A run's outputs (JSON by name) as typed parts. A part is None until the run has come to it.

    Each part is read when it is first asked for: a row of another version of Laurel may hold more of them.
    """

    outputs: Mapping[str, Any]

    @cached_property
    def triple(self) -> VersionTriple | None:
        """The resolved versions alone; lists of many runs need no more of the configuration."""
        triple = self.outputs.get(Step.RESOLVE, {}).get("triple")
        if triple is None:
            return self.pruned.triple if self.pruned else None
        return _read(VersionTriple, triple)

    @cached_property
    def resolved(self) -> ResolvedConfig | None:
        """The frozen configuration. Nothing in it is passed over: a model is made by it."""
        from domain.resolved_config import ResolvedConfig  # noqa: PLC0415 - lists of runs do without it

        left = self.outputs.get(Step.RESOLVE)
        return None if left is None else ResolvedConfig.model_validate(left)

    @cached_property
    def opened(self) -> OpenedRun | None:
        """The MLflow run of record."""
        return self._part("open_run", OpenedRun)

    @cached_property
    def split(self) -> SplitParts | None:
        """The parts of the master."""
        return self._part(Step.SPLIT, SplitParts)

    @cached_property
    def versioned(self) -> DatasetHashes | None:
        """The datasets' hashes."""
        return self._part(Step.VERSION, DatasetHashes)

    @cached_property
    def trained(self) -> Trained | None:
        """The package and its logged model."""
        return self._part(Step.TRAIN, Trained)

    @cached_property
    def evaluated(self) -> Evaluated | None:
        """Both models' scores."""
        return self._part(Step.EVALUATE, Evaluated)

    @cached_property
    def compared(self) -> Compared | None:
        """What is known of both models beside their scores; None of a run that Laurel 0.1.0 made."""
        return self._part("compared", Compared)

    @cached_property
    def decided(self) -> Decided | None:
        """The verdict, and what a promotion made."""
        return self._part(Step.DECIDE, Decided)

    @cached_property
    def pruned(self) -> PrunedOutputs | None:
        """Since when the run has no more than its verdict; None of one that is whole."""
        return self._part(PRUNED, PrunedOutputs)

    @cached_property
    def waits(self) -> PastWaits:
        """What held the run up, as far as a transition has told it since."""
        return self._part(WAITS, PastWaits) or PastWaits()

    @property
    def candidate(self) -> Score | None:
        """The candidate's score on the reference."""
        return self.evaluated.candidate.get("reference") if self.evaluated else None

    @property
    def champion(self) -> ChampionOutlook | None:
        """The champion that was decided against, or that is to be."""
        last = self.decided or self.evaluated
        return last.champion if last else None

    @property
    def warnings(self) -> tuple[RunWarning, ...]:
        """Every warning, in the order of the steps."""
        return (*self._split_warnings(), *(self.compared.warnings if self.compared else ()))

    def _split_warnings(self) -> tuple[RunWarning, ...]:
        """Those of the split, of which a list has read nothing else."""
        statistics = self.outputs.get(Step.SPLIT, {}).get("statistics", {})
        with suppress(ValidationError):
            return warnings_in(statistics)
        return ()

    def with_verdict(self, decided: Decided, metric: GateMetric | None) -> RunRecord:
        """The record with a verdict that the row does not hold yet, and with the metric that decided."""
        compared = (self.compared or Compared()).model_copy(update={"metric": metric})
        later = {"compared": compared, Step.DECIDE: decided}
        return RunRecord(
            {**self.outputs, **{name: part.model_dump(mode="json") for name, part in later.items()}}
        )

    def _part(self, name: str, kind: type[Part]) -> Part | None:
        left = self.outputs.get(name)
        return None if left is None else _read(kind, left)


def _read(kind: type[Part], left: object) -> Part | None:
    """Read a part. What a later Laurel added to it is passed over; a part of another shape counts as none."""
    with suppress(ValidationError):
        return kind.model_validate(left, extra="ignore")
    return None


def present(part: T | None) -> T:
    """A part that a run in its state must have. Raises LookupError for a row that lacks it."""
    if part is None:
        raise LookupError("the run's row lacks what its state says that it has")
    return part
