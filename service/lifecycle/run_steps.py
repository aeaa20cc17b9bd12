"""What the work of a run is done with: the steps, each with its own ports, and the ports to the children."""

from collections.abc import Callable
from dataclasses import dataclass

from domain.fit_threads import ONE_THREAD, ThreadShare
from domain.ports.config_families import ConfigFamilies
from domain.ports.dataset_files import DatasetFiles, DatasetVersions, FirstUses
from domain.ports.experiment_tracker import ExperimentTracker
from domain.ports.trainer import Trainer
from service.lifecycle.steps.compare import CompareStep
from service.lifecycle.steps.decide import DecideStep
from service.lifecycle.steps.evaluate import ChampionJudge
from service.lifecycle.steps.split import SplitStep
from service.promotion.projector import LedgerProjector
from service.runtime.provenance import Provenance


@dataclass(frozen=True)
class Heavy:
    """The ports whose work runs in child processes: one set for each lifecycle that a worker carries.

    `hold_until` says until when (`time.monotonic()`) the lease is certain: what then still runs is killed,
    even while this process is stopped. None: for ever. `threads` are what one fit gets.
    """

    files: DatasetFiles
    versions: DatasetVersions
    trainer: Trainer
    hold_until: Callable[[float | None], None]
    threads: ThreadShare = ONE_THREAD


@dataclass(frozen=True)
class Steps:
    """The steps of one worker, each with its own ports, and the record that most of them write to."""

    config: ConfigFamilies
    first_uses: FirstUses
    tracker: ExperimentTracker
    provenance: Provenance
    split: SplitStep
    judge: ChampionJudge
    compare: CompareStep
    decide: DecideStep
    projector: LedgerProjector
