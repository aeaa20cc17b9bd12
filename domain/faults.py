"""A fault in something that a person or another service wrote: what, where, and what is allowed."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from domain.values import Value


class Fault(Value):
    """One thing that is wrong.

    `code` is from a closed vocabulary (bad_version, unknown_version, unknown_field, bad_config,
    config_changed, column_missing …); `field` names the request field or the dotted place in a file; `file`
    and `line` are set when it stands in one.
    """

    code: str = Field(description="From a closed vocabulary.")
    field: str = Field(description="The request's field, or the dotted place in a file.")
    message: str = Field(description="What is wrong, in a sentence.")
    allowed: str | None = Field(None, description="What is allowed.")
    file: str | None = Field(None, description="The file that it stands in.")
    line: int | None = Field(None, description="The line there.")


def stored_faults(facts: Mapping[str, Any]) -> tuple[Fault, ...]:
    """Read the faults out of a failure's facts, whatever release wrote them: no view fails on an old row."""
    missing = {"code": "unknown", "field": "", "message": ""}
    return tuple(
        Fault.model_validate({**missing, **told}, extra="ignore") for told in facts.get("faults", ())
    )
