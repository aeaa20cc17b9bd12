"""The format of a model folder, for those who only read one: MLflow itself is not needed for that."""

from pathlib import Path
from typing import Final

from domain.errors import ModelUnusable
from domain.models import ModelRecord
from domain.values import Sha256
from service.adapters.files.atomic import sha256_of

MODEL_FILE: Final = "model.skops"
DESCRIPTION: Final = "MLmodel"  # a folder without it is no model yet
OURS: Final = "laurel"  # the folder inside the model in which what belongs to it travels
# What MLflow's own writer says of a logged model, and plain readers ask for.
LOGGED_FIELDS: Final = (
    "run_id",
    "artifact_path",
    "model_id",
    "model_uuid",
    "utc_time_created",
    "mlflow_version",
)


def record_fields(record: ModelRecord) -> dict[str, str]:
    """What MLflow writes into the description of a model that was logged, and not only saved."""
    return {
        "artifact_path": record.artifact_uri,
        "model_id": record.model_id,
        "model_uuid": record.model_id,
        "run_id": record.mlflow_run_id,
    }


def package_digest(folder: Path) -> dict[str, Sha256]:
    """The manifest of a model folder: relative path → sha256 of each file, sorted.

    Raises ModelUnusable `model_digest_mismatch` for anything that is neither a plain file nor a folder, and
    for a folder that cannot be read.
    """
    manifest = {}
    try:
        for path in sorted(folder.rglob("*")):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                name = path.relative_to(folder)
                raise ModelUnusable("model_digest_mismatch", f"{name} in the model is not a plain file")
            if path.is_file():
                manifest[path.relative_to(folder).as_posix()] = sha256_of(path)
    except OSError as error:
        raise ModelUnusable(
            "model_digest_mismatch", f"the model cannot be read ({error.strerror})"
        ) from error
    return manifest
