"""How many rows of a reference, or of another training part, a run trained on: by their keys."""

from pathlib import Path
from typing import NamedTuple

from domain.compatibility import fits
from domain.data_contract import DataContract
from domain.datasets import DEFAULT_LIMITS, DatasetFile
from domain.errors import LaurelError
from domain.job_results import TrainedRows
from domain.model_comparison import OverlapForm
from domain.run_record import RunRecord, present
from service.adapters.dvc.addresses import object_in
from service.adapters.files.split_parts import digest_of
from service.adapters.polars.frames import Dataset, open_dataset
from service.adapters.polars.inspection import check_header
from service.adapters.polars.overlap import count_with_keys_of
from service.lifecycle.steps.jobs import CountTrainedJob


class _TrainPart(NamedTuple):
    """A training part as it was recorded; `dvc_hash` finds its bytes when the run's own file was removed."""

    file: DatasetFile
    dvc_hash: str | None


def count_trained(job: CountTrainedJob) -> TrainedRows:
    """Count in the training part that was recorded.

    The run's own file is removed some time after its end, so DVC's cache is looked at first.
    """
    judging = _opened(job.reference, job.contract)
    trained = None if judging is None else _recorded(job.train, job.dvc_hash, job.cache, job.contract)
    if judging is None or trained is None:
        return TrainedRows(rows=None)
    return TrainedRows(rows=count_with_keys_of(trained, judging, job.contract))


def counted_overlap(known: OverlapForm, a: RunRecord, b: RunRecord, cache: Path) -> OverlapForm:
    """Count by the keys of both contracts; what is known already says how many rows each has. Blocks."""
    contracts = [present(record.resolved).contract for record in (a, b)]
    if contracts[0].primary_key != contracts[1].primary_key:
        return known.model_copy(update={"why": "their data contracts have different keys"})
    try:
        rows = _count_shared(_part(a), _part(b), cache, contracts[0])
    except LaurelError as error:
        return known.model_copy(update={"why": f"not counted: {error.message}"})
    why = "counted by their keys"
    if rows is None:
        why = "not counted: a training part is neither in its run's folder nor in DVC's cache here"
    return known.model_copy(update={"rows": rows, "why": why})


def _part(record: RunRecord) -> _TrainPart:
    hashes = record.versioned.files if record.versioned else {}
    return _TrainPart(present(record.split).train, hashes.get("train"))


def _count_shared(a: _TrainPart, b: _TrainPart, cache: Path, contract: DataContract) -> int | None:
    """Count the rows of one training part whose keys another one holds; None when a part is not here."""
    first, second = (_recorded(part.file, part.dvc_hash, cache, contract) for part in (a, b))
    return None if first is None or second is None else count_with_keys_of(second, first, contract)


def _recorded(file: DatasetFile, dvc_hash: str | None, cache: Path, contract: DataContract) -> Dataset | None:
    """A part of the data, if its very bytes are in DVC's cache, or where they were, and have such keys."""
    places = [*([object_in(cache, dvc_hash)] if dvc_hash else []), Path(file.path)]
    for path in places:
        try:
            digest_of("train", path, file.sha256)
        except LaurelError:
            continue
        if (found := _opened(path, contract)) is not None:
            return found
    return None


def _opened(path: Path, contract: DataContract) -> Dataset | None:
    """The file, if it has the contract's keys."""
    check_header(path, DEFAULT_LIMITS)
    dataset = open_dataset(path, DEFAULT_LIMITS)
    kinds = dataset.kinds
    has_keys = all(
        name in kinds and fits(kinds[name], contract.columns[name].type) for name in contract.primary_key
    )
    return dataset if has_keys else None
