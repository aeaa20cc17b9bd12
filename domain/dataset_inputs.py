"""The datasets that a run was made from, as its record names them."""

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from domain.data_contract import DataContract
from domain.datasets import DatasetFile, DatasetHashes, SplitParts
from domain.manifest import named_files
from domain.values import Value

Context = Literal["source", "training", "evaluation"]
_CONTEXTS: Final[Mapping[str, Context]] = {"master": "source", "train": "training"}


class DatasetInput(Value):
    """One part by its name: what it was for, which bytes, and DVC's hash of them."""

    name: str
    context: Context
    file: DatasetFile
    dvc_hash: str
    contract: DataContract


def dataset_inputs(
    contract: DataContract, parts: SplitParts, hashes: DatasetHashes
) -> Iterator[DatasetInput]:
    """The master, what the model was fitted on, and everything that it was scored on."""
    for name, file in named_files(parts).items():
        yield DatasetInput(
            name=name,
            context=_CONTEXTS.get(name, "evaluation"),
            file=file,
            dvc_hash=hashes.files.get(name, ""),
            contract=contract,
        )
