"""A run as the run store would give it, told by what a test cares about."""

from typing import Any

from domain.lifecycle import State
from domain.run import Run
from tests.kit.builders import MODEL, NOW


def a_run(**facts: Any) -> Run:
    """A run that was just stored."""
    plain: dict[str, Any] = {
        "run_id": "run-1",
        "model_name": MODEL,
        "identity": "event:/tests 1",
        "payload": {},
        "correlation_id": "c",
        "causation_id": None,
        "state": State.REQUESTED,
        "fence": 0,
        "owner": None,
        "attempts": 0,
        "mlflow_run_id": None,
        "outputs": {},
        "failure": None,
        "waiting_on": None,
        "waiting_since": None,
        "requested_at": NOW,
        "updated_at": NOW,
    }
    return Run.model_validate({**plain, **facts})
