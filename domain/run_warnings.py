"""What a person should know about a run that went on all the same."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

SMALL_REFERENCE_ROWS: Final = 30  # fewer of them judge by luck


class RunWarning(BaseModel):
    """One warning: a code from a closed set, a sentence for a person, and the facts in it."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    code: str
    message: str
    facts: Mapping[str, Any] = {}


def warnings_in(outputs: Mapping[str, Any]) -> tuple[RunWarning, ...]:
    """Every warning in what the steps of a run left, in the order of the steps."""
    statistics = outputs.get("split", {}).get("statistics", {})
    told = (*statistics.get("warnings", ()), *outputs.get("compared", {}).get("warnings", ()))
    return tuple(map(RunWarning.model_validate, told))
