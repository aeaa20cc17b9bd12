"""Check a model definition: would its estimator take these params."""

from collections.abc import Mapping
from typing import Any

from domain.model_definition import Estimator
from service.adapters.sklearn.estimators import definition_faults
from service.tasks.documents import parse


def check_model(*, model: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every fault in the params, as the JSON of Fault; `field` is like `model.params.max_iter`.

    `model` is the JSON of an Estimator: `type`, `params`, `target_transform`. Raises NeverRetry `bad_config`
    when it is none.
    """
    return [fault.model_dump(mode="json") for fault in definition_faults(parse(Estimator, model))]
