"""The model definition: which estimator, with which params, fitted on which form of the target.

The file is `models/vN.yaml`:

    version: 3
    model:
      type: hist_gradient_boosting
      params: {max_iter: 60, learning_rate: 0.1}
      target_transform: log1p # optional; without it the target is fitted raw
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, JsonValue, field_validator

from domain.model_types import ModelType
from domain.values import ConfigVersion, Value


class Estimator(Value):
    """A regressor by its type, the params it was given, and how the target is transformed.

    `params` are names that the estimator knows, with JSON values; what is not named keeps the library's
    default. `target_transform: log1p` fits log(1 + target) and predicts the raw target again.
    """

    type: ModelType
    params: Mapping[str, JsonValue] = Field(default_factory=dict)
    target_transform: Literal["log1p"] | None = None

    @field_validator("params", mode="before")
    @classmethod
    def _no_params(cls, params: object) -> object:
        return {} if params is None else params


class ModelDefinition(Value):
    """One version of the model definition."""

    version: Annotated[ConfigVersion, Field(strict=True)]
    model: Estimator
