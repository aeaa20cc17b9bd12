"""What MLflow says of the logged model that is a version's source: where its files are, and which run's."""

import re
from typing import Final

from domain.errors import ModelUnusable, NeverRetry
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.answer_types import ModelInfo
from service.adapters.mlflow.errors import ABSENT, code_of, well_formed
from service.adapters.mlflow.sync_client import SyncClient

_LOGGED_MODEL: Final = re.compile(r"models:/(m-[0-9a-f]{32})/?")


def own_location(source: str, mlflow_run_id: str | None, access: MlflowAccess) -> str:
    """Where a version's files are, seen that its source is a logged model that the version's own run made.

    A manifest, or a source, that was taken over from another version fails here. Raises ModelUnusable
    `model_source_refused`, `model_missing` or `model_of_another_run`; TryLater.
    """
    info = _logged_model(source, access)
    if info is None:
        raise ModelUnusable(
            "model_source_refused",
            "the version's source is not a logged model (models:/m-…) of this MLflow server",
        )
    made_by = info.get("source_run_id") or None
    if mlflow_run_id is None or made_by != mlflow_run_id:
        raise ModelUnusable(
            "model_of_another_run",
            f"the version names run {mlflow_run_id}, but its files are of run {made_by}",
            run=mlflow_run_id,
            made_by=made_by,
        )
    return _location(info)


def location_of(source: str, access: MlflowAccess) -> str:
    """Where the files are: a logged model says so, any other source is the place itself.

    Raises ModelUnusable `model_missing`, TryLater.
    """
    info = _logged_model(source, access)
    return source if info is None else _location(info)


def named_location(source: str, access: MlflowAccess) -> tuple[str, str]:
    """Where the files are, and the artifact's name: the logged model's own, else the last part of the place.

    Raises ModelUnusable `model_missing`, TryLater.
    """
    info = _logged_model(source, access)
    if info is None:
        return source, source.rstrip("/").rpartition("/")[2]
    return _location(info), str(info.get("name") or "")


def _logged_model(source: str, access: MlflowAccess) -> ModelInfo | None:
    """What the server says of the logged model; None for a source of another kind."""
    found = _LOGGED_MODEL.fullmatch(source)
    if not found:
        return None
    with SyncClient(access) as client:
        try:
            answer = client.get_json(f"logged-models/{found[1]}")
        except NeverRetry as error:
            if code_of(error) == ABSENT:
                raise ModelUnusable("model_missing", f"{source} does not exist", source=source) from error
            raise
    with well_formed("GET logged-models"):
        return ModelInfo(**answer["model"]["info"])


def _location(info: ModelInfo) -> str:
    with well_formed("GET logged-models"):
        return str(info["artifact_uri"])
