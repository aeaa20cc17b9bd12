"""Refusals as an orchestrator's clients know them, and as the OpenAPI document of the DAG API says them.

A bad request is 400, a known run id 409.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from domain.faults import Fault
from service.gateway.openapi import json_body, refusals
from service.gateway.refusals import (
    DescribedRoute,
    Handler,
    as_errors,
    as_problem,
    in_one,
    sentence_of,
    unanswered,
)
from service.gateway.submissions import IdConflict, Unanswered, Unusable
from service.runtime.web.problems import MEDIA_TYPE, ProblemDetails

# They shape an answer, and say nothing about which things are in it: the caller gets all fields.
_IGNORED: Final = frozenset({"fields"})
_REPEAT: Final = "repeat it unchanged: within ten minutes an equal one is the same request"


class DagRoute(DescribedRoute):
    """Answers 400 for a parameter that is not as described, and for one that is not described."""

    ignored = _IGNORED

    def get_route_handler(self) -> Handler:
        """Wrap that of our own pages."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                raise bad_request(read_faults(error)) from error

        return handled

    def refusal(self, faults: Sequence[Fault]) -> ProblemDetails:
        """Say no as a DAG API does."""
        return bad_request(faults)


def read_faults(error: RequestValidationError | ValidationError) -> list[Fault]:
    """Name all faults that pydantic found."""
    return [
        Fault(code="bad_field", field=".".join(map(str, found["loc"])), message=_sentence(found))
        for found in error.errors()
    ]


def _sentence(found: ErrorDetails) -> str:
    if found["type"] == "extra_forbidden":
        place = ".".join(map(str, found["loc"]))
        return f"{place!r} is not known here, or cannot be set"
    return sentence_of(found)


def bad_request(faults: Sequence[Fault]) -> ProblemDetails:
    """Say all that is wrong and what is allowed, in `detail` too: many clients show nothing else."""
    said = (
        f"{fault.message} (allowed: {fault.allowed})" if fault.allowed else fault.message for fault in faults
    )
    return ProblemDetails(HTTPStatus.BAD_REQUEST, faults[0].code, in_one(said), errors=as_errors(faults))


def absent(what: str) -> ProblemDetails:
    """Say that there is no such thing."""
    return ProblemDetails(HTTPStatus.NOT_FOUND, "not_found", f"{what} not found")


def already_exists(run_id: str, dag_id: str) -> ProblemDetails:
    """Say that the id of a run is taken."""
    detail = f"a run with dag_run_id {run_id!r} exists already in DAG {dag_id!r}; it stays unchanged"
    return ProblemDetails(HTTPStatus.CONFLICT, "already_exists", detail)


@contextmanager
def as_dag_problem(run_id: str | None, dag_id: str) -> Iterator[None]:
    """Turn what asking for a run raises into the answer that a DAG API gives."""
    with as_problem():
        try:
            yield
        except Unusable as error:
            raise bad_request(error.faults) from error
        except IdConflict as error:
            raise already_exists(str(run_id), dag_id) from error
        except Unanswered as error:
            raise unanswered(error, _REPEAT) from error


_OTHER: Final[Mapping[int | str, dict[str, object]]] = {
    "4XX": {"description": "Refused; `detail` says why.", "content": {MEDIA_TYPE: {}}}
}


def dag_refusals(*statuses: int, **means: str) -> dict[int | str, dict[str, object]]:
    """The refusals of a page of the DAG API, beside those that every page has."""
    said = {
        "m400": "A parameter or the body is invalid; `detail` names every fault.",
        "m404": "The DAG, run, task or variable does not exist.",
        "m503": "Kafka or the database does not answer; repeating is safe.",
        **means,
    }
    return {**refusals(400, 404, *statuses, **said), **_OTHER}


def body_of(model: type[BaseModel], **example: object) -> dict[str, object]:
    """A JSON body that is read as this model."""
    return json_body(model.model_json_schema(), example)
