"""Which code and which libraries made a model: read from the installation, not asked of git."""

import importlib.metadata
import platform
from collections.abc import Mapping
from typing import Final

from domain.values import Value

# What decides about a model's numbers; the rest of the environment is in its own requirements file.
_DECIDING: Final = (
    "laurel-lifecycle",
    "scikit-learn",
    "numpy",
    "pandas",
    "polars",
    "lightgbm",
    "xgboost-cpu",
    "mlflow",
    "dvc",
)


class Provenance(Value):
    """Code version and environment of this process."""

    code_version: str
    python_version: str
    packages: Mapping[str, str]


def provenance() -> Provenance:
    """Read the installed versions; a package that is not installed is left out."""
    packages = {name: version for name in _DECIDING if (version := _version(name))}
    return Provenance(
        code_version=laurel_version(),
        python_version=platform.python_version(),
        packages=packages,
    )


def laurel_version() -> str:
    """The version of Laurel that is installed."""
    return _version(_DECIDING[0]) or "not installed"


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
