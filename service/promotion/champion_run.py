"""What the run that made a champion left of its data, and what a later run has in common with it."""

from domain.datasets import DatasetFile, SplitParts
from domain.ledger import LedgerEntry
from domain.ports.run_store import RunStore
from domain.resolved_config import ResolvedConfig
from domain.run import Run
from domain.run_record import RunRecord, present
from domain.values import Sha256, Value, VersionTriple


class Origin(Value):
    """The data of a champion's run; `train_object` is DVC's hash of the training part, None before that."""

    triple: VersionTriple
    master_rows: int
    train: DatasetFile
    reference: Sha256
    train_object: str | None


async def origin_of(entry: LedgerEntry, store: RunStore) -> Origin | None:
    """The data that made a generation; None when our run store knows of none."""
    run = await _run_of(entry, store)
    return None if run is None else _origin(run.record)


async def _run_of(entry: LedgerEntry, store: RunStore) -> Run | None:
    if entry.run_id is not None:
        return await store.get(entry.run_id)
    if entry.mlflow_run_id is None:
        return None
    found = await store.find(entry.mlflow_run_id)
    return next((run for run in found if run.mlflow_run_id == entry.mlflow_run_id), None)


def _origin(record: RunRecord) -> Origin | None:
    split = record.split
    if split is None:
        return None
    return Origin(
        triple=present(record.triple),
        master_rows=split.master.rows,
        train=split.train,
        reference=split.reference.sha256,
        train_object=record.versioned.files.get("train") if record.versioned else None,
    )


def rows_without_effect(origin: Origin | None, config: ResolvedConfig, parts: SplitParts) -> int | None:
    """How many rows the master gained that no fit can see; None if the training part is another one.

    The same versions on the same bytes: a fit is repeatable, and makes the same model.
    """
    if origin is None or (origin.train.sha256, origin.triple) != (parts.train.sha256, config.triple):
        return None
    return max(0, parts.master.rows - origin.master_rows)
