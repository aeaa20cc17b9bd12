"""A fitted pipeline as a complete MLflow model folder.

The files are MLflow's own format, made with its own `Model`; `mlflow.sklearn.save_model` makes the same ones,
but loads the model again and asks the package index of the environment, which takes longer than a small fit.
"""

import json
import platform
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, NamedTuple

import yaml
from mlflow.models.model import Model
from mlflow.models.signature import ModelSignature
from mlflow.types.schema import AnyType, ColSpec, Schema

from domain.model_definition import ModelType
from service.adapters.mlflow.package_format import MODEL_FILE, OURS

_ALWAYS: Final = ("mlflow", "scikit-learn", "skops", "numpy", "pandas", "scipy")
_BOOSTERS: Final[Mapping[str, tuple[str, ...]]] = {
    "lightgbm": ("lightgbm",),
    "xgboost": ("xgboost", "xgboost-cpu"),  # one module, two distributions
}


class PackagedModel(NamedTuple):
    """What goes into a package. `travelling` holds JSON values by name, without `.json`.

    `listed_types` is what MLflow is told to trust when it loads the model.
    """

    skops: bytes
    model_type: ModelType
    columns: Sequence[str]
    listed_types: Sequence[str]
    travelling: Mapping[str, Any]
    metadata: Mapping[str, Any]


def package_files(model: PackagedModel) -> dict[str, bytes]:
    """Every file of the MLflow model folder, by relative path.

    It loads by plain `mlflow.pyfunc.load_model` without our code: a frame with `columns` in, the raw target
    out.
    """
    requirements = pip_requirements(model.model_type)
    files = {
        MODEL_FILE: model.skops,
        "requirements.txt": "\n".join(requirements).encode(),
        "conda.yaml": _yaml(_conda_environment(requirements)),
        "python_env.yaml": _yaml(
            {
                "python": platform.python_version(),
                "build_dependencies": ["pip", "setuptools", "wheel"],
                "dependencies": ["-r requirements.txt"],
            }
        ),
        **{f"{OURS}/{name}.json": _json(value) for name, value in model.travelling.items()},
    }
    return {"MLmodel": _mlmodel(model), **files}


@cache
def pip_requirements(model_type: ModelType) -> tuple[str, ...]:
    """What a server has to install, pinned to what trained: scores differ between versions."""
    names = (*_ALWAYS, *_BOOSTERS.get(model_type, ()))
    return tuple(f"{name}=={found}" for name in names if (found := _installed(name)))


def _mlmodel(model: PackagedModel) -> bytes:
    description = Model(
        signature=_signature(model.columns),
        metadata=dict(model.metadata),
        model_size_bytes=len(model.skops),
    )
    description.add_flavor(
        "python_function",
        env={"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
        loader_module="mlflow.sklearn",
        model_path=MODEL_FILE,
        predict_fn="predict",
        python_version=platform.python_version(),
    )
    description.add_flavor(
        "sklearn",
        code=None,
        pickled_model=MODEL_FILE,
        serialization_format="skops",
        sklearn_version=version("scikit-learn"),
        skops_trusted_types=list(model.listed_types),
    )
    return str(description.to_yaml()).encode()


def _signature(columns: Sequence[str]) -> ModelSignature:
    """Every column is required and may hold anything.

    MLflow refuses a whole number where a signature says double, a fraction where it says long, and a null in
    most forms; the pipeline takes all of them. The real types travel in the data contract.
    """
    inputs = Schema([ColSpec(AnyType(), name) for name in columns])
    return ModelSignature(inputs, Schema([ColSpec("double")]))


def _conda_environment(requirements: Sequence[str]) -> dict[str, Any]:
    return {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [f"python={platform.python_version()}", "pip", {"pip": list(requirements)}],
    }


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _yaml(value: Any) -> bytes:
    return yaml.safe_dump(value, sort_keys=False).encode()


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False).encode()
