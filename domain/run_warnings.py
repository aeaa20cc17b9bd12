"""What a person should know about a run that went on all the same."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

SMALL_REFERENCE_ROWS: Final = 30  # fewer of them judge by luck


class RunWarning(BaseModel):
    """One warning: a code from a closed set, a sentence for a person, and the facts in it."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="ignore", hide_input_in_errors=True)

    code: str = Field(description="From a closed vocabulary.")
    message: str = Field(description="What to know, in a sentence.")
    facts: Mapping[str, Any] = Field({}, description="The figures in it.")
