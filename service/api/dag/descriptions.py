"""What the OpenAPI document of the DAG API says of its pages beside what their types say."""

from collections.abc import Mapping
from typing import Any, Final

from domain.request import VERSION_FIELDS
from domain.request_schema import request_schema
from service.api.asking import ID_PATTERN, LONGEST_ID
from service.api.descriptions import json_body, refusals
from service.web.problems import MEDIA_TYPE

_Page = Mapping[str, Any]
_TEXT: Final = {"type": "string"}
_DATE: Final = {"type": ["string", "null"], "format": "date-time"}
_OTHER: Final[dict[int | str, dict[str, Any]]] = {
    "4XX": {"description": "Refused; `detail` says why.", "content": {MEDIA_TYPE: {}}}
}


def _refusals(*statuses: int, **means: str) -> dict[int | str, dict[str, Any]]:
    said = {
        "m400": "A parameter or the body is not as it should be; `detail` names every fault.",
        "m404": "There is no such DAG, run, task or variable.",
        "m503": "Kafka or the database does not answer; repeating is safe.",
        **means,
    }
    return {**refusals(400, 404, *statuses, **said), **_OTHER}


_CONF_SCHEMA: Final = {
    "type": "object",
    "properties": {name: request_schema()["properties"][name] for name in VERSION_FIELDS},
    "additionalProperties": False,
}
_TRIGGER_SCHEMA: Final = {
    "type": "object",
    "properties": {
        "conf": {"anyOf": [_CONF_SCHEMA, {"type": "null"}]},
        "dag_run_id": {"type": ["string", "null"], "pattern": ID_PATTERN, "maxLength": LONGEST_ID},
        "logical_date": _DATE,
        "data_interval_start": _DATE,
        "data_interval_end": _DATE,
        "note": {"type": ["string", "null"], "maxLength": 1000},
    },
    "additionalProperties": False,
}
_TRIGGER_EXAMPLE: Final = {"conf": {"feature_version": 1, "split_version": 1, "model_version": 3}}
TRIGGER: Final[_Page] = {
    "summary": "Ask for a training",
    "description": "Answered once Kafka has the request: queued. What the worker finds wrong with it then "
    "stands in the run's `note`. Whoever sends neither an id nor a date may repeat after a 503: an equal "
    "request is taken for the same one. `execution_date`, the old name of `logical_date`, is taken too. "
    "`data_interval_start` and `_end` come together; they choose no data, and are not kept.",
    "responses": _refusals(
        408, 409, 413, 415, m409="There is a run of that id or logical date, or the DAG is only listed."
    ),
    "openapi_extra": json_body(_TRIGGER_SCHEMA, _TRIGGER_EXAMPLE),
}
RUNS: Final[_Page] = {
    "summary": "List runs",
    "description": "By whichever door their requests came, in the order of the asking, oldest first; with "
    "`order_by` any date with a minus before it, newest first.",
    "responses": _refusals(),
}
RUN: Final[_Page] = {"summary": "Show one run", "responses": _refusals()}
TASKS: Final[_Page] = {
    "summary": "List the tasks of a run",
    "description": "All ten, in their order, or those that the filters leave.",
    "responses": _refusals(),
}
TASK: Final[_Page] = {"summary": "Show one task of a run", "responses": _refusals()}
LOG: Final[_Page] = {
    "summary": "Read the log of a task",
    "description": "What is known of it: when, how it came out, and the reason with its facts. Plain text "
    "unless `Accept` asks for JSON. It comes whole; behind the `continuation_token` of an answer is nothing.",
    "responses": {200: {"content": {"text/plain": {"schema": _TEXT}}}, **_refusals()},
}
DAGS: Final[_Page] = {"summary": "List DAGs", "responses": _refusals()}
DAG: Final[_Page] = {"summary": "Show one DAG", "responses": _refusals()}

_VARIABLE_SCHEMA: Final = {
    "type": "object",
    "properties": {
        "key": {"type": "string", "minLength": 1, "maxLength": 250},
        "value": _TEXT,
        "description": {"type": ["string", "null"]},
    },
    "required": ["key", "value"],
    "additionalProperties": False,
}
_CHANGE_SCHEMA: Final = {
    "type": "object",
    "properties": {
        "key": {"type": ["string", "null"], "minLength": 1, "maxLength": 250},
        "value": {"type": ["string", "null"]},
        "description": {"type": ["string", "null"]},
    },
    "additionalProperties": False,
}
_VARIABLE_EXAMPLE: Final = {"key": "RETRAIN_THRESHOLD_ROWS", "value": "500"}
VARIABLES: Final[_Page] = {"summary": "List variables", "responses": _refusals()}
VARIABLE: Final[_Page] = {"summary": "Read one variable", "responses": _refusals()}
ADD: Final[_Page] = {
    "summary": "Keep a variable",
    "description": "In the place of one with the same key.",
    "responses": _refusals(408, 413, 415),
    "openapi_extra": json_body(_VARIABLE_SCHEMA, _VARIABLE_EXAMPLE),
}
CHANGE: Final[_Page] = {
    "summary": "Change a variable",
    "description": "One that is there. `update_mask` names the fields to take from the body; else all.",
    "responses": _refusals(408, 413, 415),
    "openapi_extra": json_body(_CHANGE_SCHEMA, _VARIABLE_EXAMPLE),
}
FORGET: Final[_Page] = {"summary": "Forget a variable", "status_code": 204, "responses": _refusals()}
