"""What the OpenAPI document says of each page: answers, refusals, bodies."""

from collections.abc import Mapping
from typing import Any, Final

from service.inference.request_fields import LARGEST_WHOLE
from service.web.problems import MEDIA_TYPE

_Page = Mapping[str, Any]
_TEXT: Final = {"type": "string"}
_TEXT_OR_NULL: Final = {"type": ["string", "null"]}
_COUNT: Final = {"type": "integer", "minimum": 1}
_GUARDED: Final = {**_COUNT, "maximum": LARGEST_WHOLE}
_COUNT_OR_NULL: Final = {"type": ["integer", "null"], "minimum": 1}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


_PROBLEM: Final = _object(type=_TEXT, title=_TEXT, status={"type": "integer"}, detail=_TEXT, reason=_TEXT)
_FAULT: Final = _object(row={"type": "integer", "minimum": 0}, field=_TEXT, came=_TEXT, allowed=_TEXT)
_FAULT["properties"]["nearest"] = {"description": "The allowed value nearest to what came."}

# The schemas that do not depend on the model.
SCHEMAS: Final[Mapping[str, Any]] = {
    "Prediction": {
        **_object(prediction={"type": "number"}, model_version=_TEXT),
        "example": {"prediction": 181500.0, "model_version": "7"},
    },
    "Problem": _PROBLEM,
    "InputProblem": {
        **_PROBLEM,
        "properties": {**_PROBLEM["properties"], "errors": {"type": "array", "items": _FAULT}},
    },
    "Reloaded": _object(
        status={"type": "string", "enum": ["reloaded"]},
        model_version=_TEXT,
        run_id=_TEXT_OR_NULL,
        feature_version=_COUNT,
        generation=_COUNT_OR_NULL,
        changed={"type": "boolean"},
    ),
    "Guard": {
        "type": "object",
        "properties": {"generation": _GUARDED, "version": _GUARDED},
        "dependentRequired": {"generation": ["version"], "version": ["generation"]},
        "example": {"generation": 3, "version": 7},
    },
    "Info": {
        **_object(
            model_name=_TEXT,
            model_version=_TEXT,
            run_id=_TEXT_OR_NULL,
            generation=_COUNT_OR_NULL,
            feature_version=_COUNT,
            data_contract_version=_COUNT,
            target=_TEXT,
            digest=_TEXT,
            files={"type": "object", "additionalProperties": _TEXT},
            loaded_at={"type": "string", "format": "date-time"},
            stale={"type": "boolean"},
            problem=_TEXT_OR_NULL,
        ),
        "required": ["model_name", "stale", "problem"],  # all that there is without a model
    },
    "Health": _object(
        status={"type": "string", "enum": ["ok", "unavailable"]},
        model_loaded={"type": "boolean"},
        model_version=_TEXT_OR_NULL,
    ),
}

_GENERATION: Final = {
    "Laurel-Generation": {
        "description": "The promotion ledger's generation of the model that answered; absent if it has none.",
        "schema": _COUNT,
    }
}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _one_or_list(name: str) -> dict[str, Any]:
    return {"anyOf": [_ref(name), {"type": "array", "items": _ref(name)}]}


def _said(what: str, schema: Any, kind: str = "application/json", **more: Any) -> dict[str, Any]:
    return {"description": what, "content": {kind: {"schema": schema}}, **more}


def _refused(what: str, schema: str = "Problem") -> dict[str, Any]:
    return _said(what, _ref(schema), MEDIA_TYPE)


def _page(summary: str, responses: Mapping[int, Any], **operation: Any) -> _Page:
    return {"summary": summary, "responses": dict(responses), "openapi_extra": operation}


_NO_TOKEN: Final = {401: _refused("The bearer token is missing or another one.")}
_NO_MODEL: Final = {503: _refused("No model is loaded yet.")}

PREDICT: Final = _page(
    "Predict the target of one row, or of a list of rows",
    {
        200: _said(
            "One prediction, or a list in the rows' order.", _one_or_list("Prediction"), headers=_GENERATION
        ),
        400: _refused("The body is no JSON."),
        408: _refused("The body did not come whole in time."),
        413: _refused("The body is too large."),
        415: _refused("The body does not say that it is JSON."),
        422: _refused("Fields that cannot be taken: which, what came, what is allowed.", "InputProblem"),
        **_NO_TOKEN,
        **_NO_MODEL,
    },
    requestBody={"required": True, "content": {"application/json": {"schema": _one_or_list("Row")}}},
)
RELOAD: Final = _page(
    "Load what the alias names now",
    {
        200: _said("It is served; `changed` is false when it was before.", _ref("Reloaded")),
        400: _refused("The body is no JSON."),
        403: _refused("No token is configured, so this page is closed."),
        409: _refused("The caller, or the alias, is behind what is served."),
        408: _refused("The body did not come whole in time."),
        413: _refused("The body is too large."),
        422: _refused("The guard is not understood."),
        500: _refused("It cannot be loaded; `reason` says why, and the old model serves on."),
        **_NO_TOKEN,
    },
    requestBody={"required": False, "content": {"application/json": {"schema": _ref("Guard")}}},
)
LIVE: Final = _page("Is the process alive?", {200: _said("Yes.", _object(live={"type": "boolean"}))})
_READY: Final = _object(ready={"type": "boolean"}, missing={"type": "object"})
READY: Final = _page(
    "Can it predict?", {200: _said("Yes.", _READY), 503: _said("Not yet; `missing` says why.", _READY)}
)
HEALTH: Final = _page(
    "The same, with a word on the model",
    {200: _said("A model is loaded.", _ref("Health")), 503: _said("None is.", _ref("Health"))},
)
INFO: Final = _page(
    "Which model is served, and since when",
    {200: _said("The served model.", _ref("Info")), 503: _said("None is served.", _ref("Info")), **_NO_TOKEN},
)
SCHEMA: Final = _page(
    "The JSON Schema of one row of a request",
    {
        200: _said("It belongs to the served model.", {"type": "object"}, "application/schema+json"),
        **_NO_TOKEN,
        **_NO_MODEL,
    },
)
METRICS: Final = _page("Metrics for Prometheus", {200: _said("In the text format.", _TEXT, "text/plain")})
