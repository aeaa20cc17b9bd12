"""A fitted pipeline as a complete MLflow model folder.

The files are MLflow's own format; `mlflow.sklearn.save_model` makes the same ones, but loads the model again
and asks the package index of the environment, which takes longer than a small fit.
"""

import hashlib
import json
import platform
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final, NamedTuple

import yaml

from domain.model_types import MODEL_TYPES
from domain.models import ModelRecord
from domain.values import Sha256
from service.adapters.mlflow.package_format import DESCRIPTION, MODEL_FILE, OURS, record_fields

_ALWAYS: Final = ("mlflow", "scikit-learn", "skops", "numpy", "pandas", "scipy")


class PackagedModel(NamedTuple):
    """What goes into a package beside its plain files.

    `listed_types` is what MLflow is told to trust when it loads the model. Without a `record` the model is
    described as one that was saved and never logged.
    """

    skops: bytes
    model_type: str
    columns: Sequence[str]
    listed_types: Sequence[str]
    metadata: Mapping[str, object]
    record: ModelRecord | None = None


def package_files(model: PackagedModel, plain: Mapping[str, bytes]) -> dict[str, bytes]:
    """Every file of the MLflow model folder, by relative path.

    `plain` are the other files: the environment's, and what travels.

    It loads by plain `mlflow.pyfunc.load_model` without our code: a frame with `columns` in, the raw target
    out.
    """
    return {DESCRIPTION: _mlmodel(model), MODEL_FILE: model.skops, **plain}


def environment_files(model_type: str) -> dict[str, bytes]:
    """What a server has to install, in the three forms of the format, by relative path."""
    requirements = pip_requirements(model_type)
    python_environment = {
        "python": platform.python_version(),
        "build_dependencies": ["pip", "setuptools", "wheel"],
        "dependencies": ["-r requirements.txt"],
    }
    return {
        "requirements.txt": "\n".join(requirements).encode(),
        "conda.yaml": _yaml(_conda_environment(requirements)),
        "python_env.yaml": _yaml(python_environment),
    }


def travelling_files(values: Mapping[str, object]) -> dict[str, bytes]:
    """JSON values that travel with a model, by name without `.json`: their files by relative path."""
    return {
        f"{OURS}/{name}.json": json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False).encode()
        for name, value in values.items()
    }


def complete_description(description: bytes, record: ModelRecord) -> bytes:
    """The MLmodel of a package of ours, with the fields that tell where the model is on record."""
    return _yaml({**yaml.safe_load(description), **record_fields(record)})


def manifest_of_files(files: Mapping[str, bytes]) -> dict[str, Sha256]:
    """The sha256 of each file by its relative path."""
    return {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}


@cache
def pip_requirements(model_type: str) -> tuple[str, ...]:
    """What a server has to install, pinned to what trained: scores differ between versions."""
    names = (*_ALWAYS, *MODEL_TYPES[model_type].distributions)
    return tuple(f"{name}=={found}" for name in names if (found := _installed(name)))


def _mlmodel(model: PackagedModel) -> bytes:
    """The file that says what the folder is, as MLflow's own `Model` writes it.

    Format: https://mlflow.org/docs/latest/ml/model/#storage-format. MLflow's class is a second and 48 MB of
    every worker's fork parent; a test holds both files against each other.
    """
    return _yaml(
        {
            "flavors": {
                "python_function": {
                    "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
                    "loader_module": "mlflow.sklearn",
                    "model_path": MODEL_FILE,
                    "predict_fn": "predict",
                    "python_version": platform.python_version(),
                },
                "sklearn": {
                    "code": None,
                    "pickled_model": MODEL_FILE,
                    "serialization_format": "skops",
                    "sklearn_version": _installed("scikit-learn"),
                    "skops_trusted_types": list(model.listed_types),
                },
            },
            "is_signature_from_type_hint": False,
            "metadata": dict(model.metadata),
            "mlflow_version": _installed("mlflow"),
            "model_id": None,
            "model_size_bytes": len(model.skops),
            "model_uuid": uuid.uuid4().hex,
            "prompts": None,
            "signature": _signature(model.columns),
            "type_hint_from_example": False,
            "utc_time_created": str(datetime.now(UTC).replace(tzinfo=None)),
            **({} if model.record is None else record_fields(model.record)),
        }
    )


def _signature(columns: Sequence[str]) -> dict[str, str | None]:
    """Every column is required and may hold anything.

    MLflow refuses a whole number where a signature says double, a fraction where it says long, and a null in
    most forms; the pipeline takes all of them. The real types travel in the data contract.
    """
    inputs = [{"type": "any", "name": name, "required": True} for name in columns]
    outputs = [{"type": "double", "required": True}]
    return {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs), "params": None}


def _conda_environment(requirements: Sequence[str]) -> dict[str, object]:
    return {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [f"python={platform.python_version()}", "pip", {"pip": list(requirements)}],
    }


@cache
def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _yaml(value: object) -> bytes:
    # The emitter in C: the other one takes 20 ms of a small model's way to the server.
    return yaml.dump(value, Dumper=yaml.CSafeDumper, sort_keys=False).encode()
