"""How many rows of a reference another run trained on, by their keys."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from domain.compatibility import fits
from domain.data_contract import DataContract
from domain.dataset_limits import DEFAULT_LIMITS
from domain.datasets import DatasetFile
from domain.errors import LaurelError
from service.adapters.dvc.addresses import object_in
from service.adapters.files.split_parts import digest_of
from service.adapters.polars.frames import Dataset, open_dataset
from service.adapters.polars.inspection import check_header
from service.adapters.polars.overlap import count_with_keys_of


def count_trained(
    *,
    reference: str,
    train: Mapping[str, Any],
    cache_folder: str,
    dvc_hash: str | None,
    contract: Mapping[str, Any],
) -> dict[str, int | None]:
    """Count in the training part (the JSON of a DatasetFile) that was recorded; `rows` None: nobody knows.

    The file may have been removed with its run; then DVC's cache may still hold its bytes.
    """
    rules, part = DataContract.model_validate(contract), DatasetFile.model_validate(train)
    judging = _opened(Path(reference), rules)
    for path in _places(part, Path(cache_folder), dvc_hash):
        if judging is not None and (trained := _recorded(path, part, rules)) is not None:
            return {"rows": count_with_keys_of(trained, judging, rules)}
    return {"rows": None}


def _places(part: DatasetFile, cache: Path, dvc_hash: str | None) -> Iterator[Path]:
    yield Path(part.path)
    if dvc_hash:
        yield object_in(cache, dvc_hash)


def _recorded(path: Path, part: DatasetFile, contract: DataContract) -> Dataset | None:
    """The file, if it has the very bytes that were recorded."""
    try:
        digest_of("train", path, part.sha256)
    except LaurelError:
        return None
    return _opened(path, contract)


def _opened(path: Path, contract: DataContract) -> Dataset | None:
    """The file, if it has the contract's keys."""
    check_header(path, DEFAULT_LIMITS)
    dataset = open_dataset(path, DEFAULT_LIMITS)
    kinds = dataset.kinds
    has_keys = all(
        name in kinds and fits(kinds[name], contract.columns[name].type) for name in contract.primary_key
    )
    return dataset if has_keys else None
