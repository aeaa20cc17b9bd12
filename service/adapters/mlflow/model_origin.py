"""Which run made the model that a version names as its source."""

import re
from typing import Final

from domain.errors import ModelUnusable, NeverRetry
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.door import Door
from service.adapters.mlflow.errors import ABSENT, code_of, well_formed

LOGGED_MODEL: Final = re.compile(r"models:/(m-[0-9a-f]{32})/?")


def require_origin(source: str, mlflow_run_id: str | None, access: MlflowAccess) -> None:
    """See that a source is a logged model that the version's own run made.

    A manifest, or a source, that was taken over from another version fails here. Raises ModelUnusable
    `model_source_refused`, `model_missing` or `model_of_another_run`; TryLater.
    """
    found = LOGGED_MODEL.fullmatch(source)
    if not found:
        raise ModelUnusable(
            "model_source_refused",
            "the version's source is no logged model (models:/m-…) of this MLflow server",
        )
    made_by = _source_run(found[1], access)
    if mlflow_run_id is None or made_by != mlflow_run_id:
        raise ModelUnusable(
            "model_of_another_run",
            f"the version says that run {mlflow_run_id} made it, its files are of run {made_by}",
            run=mlflow_run_id,
            made_by=made_by,
        )


def _source_run(model_id: str, access: MlflowAccess) -> str | None:
    with Door(access) as door:
        try:
            answer = door.get_json(f"logged-models/{model_id}")
        except NeverRetry as error:
            if code_of(error) == ABSENT:
                raise ModelUnusable("model_missing", f"the model {model_id} does not exist") from error
            raise
    with well_formed("GET logged-models"):
        return answer["model"]["info"].get("source_run_id") or None
