"""The JSON Schema of a training request, for the documents that describe the interfaces."""

from typing import Any, Final

from domain.request import VERSION_FIELDS, TrainingRequest
from domain.values import LARGEST_VERSION

_DIGITS: Final = "^([1-9][0-9]{0,5}|1000000)$"  # up to LARGEST_VERSION
_DEFAULTS: Final = "active_config.yaml's where it is missing"
_DESCRIPTIONS: Final = {
    "split_version": f"`splits/vN.yaml` by its N; {_DEFAULTS}.",
    "feature_version": f"`features/vN.yaml` by its N; {_DEFAULTS}.",
    "model_version": f"`models/vN.yaml` by its N; {_DEFAULTS}.",
    "model_config_version": "Another name of model_version; a request may have both if they agree.",
    "model_name": "The registered model; other deployments on the topic then skip the request.",
    "requested_by": "The requester; kept with the run.",
    "reason": "Why; kept with the run.",
    "retry_of": "The run that this request repeats.",
    "request_id": "The same id is the same request, however often it arrives.",
}


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
    fields = schema["properties"] | dict.fromkeys((*VERSION_FIELDS, "model_config_version"), version)
    schema["properties"] = {
        name: {**rules, "description": _DESCRIPTIONS[name]} for name, rules in fields.items()
    }
    return schema
