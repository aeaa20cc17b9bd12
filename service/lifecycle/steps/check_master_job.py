"""Hold a master against the configuration, as a run would, and leave nothing of it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from domain.datasets import DEFAULT_LIMITS
from domain.errors import NeverRetry
from domain.faults import Fault
from domain.model_types import ModelDefinition
from domain.resolved_config import ResolvedConfig
from service.adapters.polars.contract_check import sentence
from service.adapters.polars.frames import open_dataset
from service.adapters.polars.inspection import check_header
from service.adapters.pyarrow.datasets import read_dataset
from service.lifecycle.steps.jobs import SplitJob
from service.lifecycle.steps.split_job import run_split
from service.lifecycle.steps.train_job import checked_target
from service.models.memory import Schema


class MasterFaults(NamedTuple):
    """Sentences: about the master in `faults`, and about each model by its version if there are none."""

    rows: int
    faults: Sequence[str]
    models: Mapping[int, Sequence[str]]


def check_master(path: Path, config: ResolvedConfig, models: Mapping[int, ModelDefinition]) -> MasterFaults:
    """Check the contract, split, and ask of each model definition whether it could learn from the train part.

    Raises NeverRetry `unreadable_dataset`.
    """
    check_header(path, DEFAULT_LIMITS)
    rows = open_dataset(path, DEFAULT_LIMITS).rows
    with TemporaryDirectory(prefix="laurel-check-") as folder:
        try:
            return MasterFaults(rows, [], dict(_judged(path, config, models, Path(folder))))
        except NeverRetry as error:
            if error.reason == "unreadable_dataset":
                raise
            violations = error.facts.get("violations")
            return MasterFaults(rows, [*map(sentence, violations)] if violations else [error.message], {})


def _judged(
    path: Path, config: ResolvedConfig, models: Mapping[int, ModelDefinition], folder: Path
) -> Iterator[tuple[int, list[str]]]:
    parts = run_split(
        SplitJob(
            master=path,
            run_folder=folder,
            reference=folder / "reference" / "test_reference.parquet",
            contract=config.contract,
            rules=config.split,
            features=config.features,
        )
    )
    schema = Schema(config.features, config.contract, config.contract.target)
    columns = [*config.features.columns, schema.target]
    table = read_dataset(parts.train.path, parts.train.sha256, "train", columns)
    for version, model in models.items():
        try:
            checked_target(table, schema, model)
        except NeverRetry as error:
            faults = [Fault.model_validate(fault) for fault in error.facts["faults"]]
            yield version, [fault.message for fault in faults]
        else:
            yield version, []
