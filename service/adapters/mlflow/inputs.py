"""Datasets as MLflow shows them: name, digest, where they are, their schema and size."""

import json
from typing import Final

from domain.data_contract import DataContract
from domain.datasets import DatasetInput
from domain.tracker_limits import (
    DATASET_DIGEST,
    DATASET_NAME,
    DATASET_SCHEMA,
    RESOLVED_CONFIG,
    pointer,
)
from domain.wording import bounded

_TYPES: Final = {"string": "string", "int": "long", "float": "double"}


def input_body(dataset: DatasetInput) -> dict[str, object]:
    """One entry of `runs/log-inputs`. The digest is the beginning of the sha256, as much as MLflow keeps."""
    file = dataset.file
    return {
        "dataset": {
            "name": bounded(dataset.name, DATASET_NAME),
            "digest": file.sha256[:DATASET_DIGEST],
            "source_type": "local",
            "source": _source(dataset),
            "schema": _schema(dataset.contract),
            "profile": json.dumps({"num_rows": file.rows, "bytes": file.bytes}),
        },
        "tags": [{"key": "mlflow.data.context", "value": dataset.context}],
    }


def _source(dataset: DatasetInput) -> str:
    """The place, and both digests of what stood there: places are written again, digests are not."""
    file = dataset.file
    return json.dumps({"uri": file.path, "sha256": file.sha256, "dvc": dataset.dvc_hash})


def _schema(contract: DataContract) -> str:
    """The contract's columns in the form that MLflow's page lists; of very many, where they are listed."""
    required = {contract.target, *contract.primary_key}
    columns = [
        {"type": _TYPES[rule.type], "name": name, "required": rule.non_nullable or name in required}
        for name, rule in contract.columns.items()
    ]
    text = json.dumps({"mlflow_colspec": columns})
    return text if len(text) <= DATASET_SCHEMA else json.dumps({"schema": pointer(text, RESOLVED_CONFIG)})
