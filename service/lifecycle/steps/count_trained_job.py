"""How many rows of a reference another run trained on, by their keys."""

from collections.abc import Iterator
from pathlib import Path

from domain.compatibility import fits
from domain.data_contract import DataContract
from domain.datasets import DEFAULT_LIMITS
from domain.errors import LaurelError
from domain.job_results import TrainedRows
from service.adapters.dvc.addresses import object_in
from service.adapters.files.split_parts import digest_of
from service.adapters.polars.frames import Dataset, open_dataset
from service.adapters.polars.inspection import check_header
from service.adapters.polars.overlap import count_with_keys_of
from service.lifecycle.steps.jobs import CountTrainedJob


def count_trained(job: CountTrainedJob) -> TrainedRows:
    """Count in the training part that was recorded.

    The file may have been removed with its run; then DVC's cache may still hold its bytes.
    """
    judging = _opened(job.reference, job.contract)
    for path in _places(job):
        if judging is not None and (trained := _recorded(path, job)) is not None:
            return TrainedRows(rows=count_with_keys_of(trained, judging, job.contract))
    return TrainedRows(rows=None)


def _places(job: CountTrainedJob) -> Iterator[Path]:
    yield Path(job.train.path)
    if job.dvc_hash:
        yield object_in(job.cache, job.dvc_hash)


def _recorded(path: Path, job: CountTrainedJob) -> Dataset | None:
    """The file, if it has the very bytes that were recorded."""
    try:
        digest_of("train", path, job.train.sha256)
    except LaurelError:
        return None
    return _opened(path, job.contract)


def _opened(path: Path, contract: DataContract) -> Dataset | None:
    """The file, if it has the contract's keys."""
    check_header(path, DEFAULT_LIMITS)
    dataset = open_dataset(path, DEFAULT_LIMITS)
    kinds = dataset.kinds
    has_keys = all(
        name in kinds and fits(kinds[name], contract.columns[name].type) for name in contract.primary_key
    )
    return dataset if has_keys else None
