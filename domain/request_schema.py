"""The JSON Schema of a training request, for the documents that describe the doors."""

from typing import Any, Final

from domain.request import VERSION_FIELDS, TrainingRequest
from domain.values import LARGEST_VERSION

_DIGITS: Final = "^([1-9][0-9]{0,5}|1000000)$"  # up to LARGEST_VERSION


def request_schema() -> dict[str, Any]:
    """Describe the payload: a person may write versions in digits, and may write none at all."""
    schema = TrainingRequest.model_json_schema(mode="serialization")
    version = {
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": LARGEST_VERSION},
            {"type": "string", "pattern": _DIGITS, "maxLength": len(str(LARGEST_VERSION))},
            {"type": "null"},
        ]
    }
    schema["properties"] |= dict.fromkeys((*VERSION_FIELDS, "model_config_version"), version)
    return schema
