"""Check a model definition: would its estimator take these params."""

from domain.job_results import DefinitionFaults
from domain.model_types import Estimator
from service.adapters.sklearn.estimators import definition_faults


def check_model(job: Estimator) -> DefinitionFaults:
    """Every fault in the params; `field` is like `model.params.max_iter`."""
    return DefinitionFaults(faults=tuple(definition_faults(job)))
