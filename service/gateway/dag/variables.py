"""Pages for variables: small values that a platform keeps here, such as the size of its master dataset."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response

from domain.faults import Fault
from domain.ports.variables import RECORDED_ROWS, OrderedBy, Variable
from service.gateway.dag.bodies import VariableBody, VariableChange, read_as
from service.gateway.dag.dependencies import DagDependencies
from service.gateway.dag.refusals import absent, bad_request, body_of, dag_refusals
from service.gateway.dag.runs import MOST, Limit, Offset, page_size
from service.gateway.dag.shapes import VariableCollection, VariableShape
from service.gateway.refusals import as_problem
from service.gateway.routes_requests import payload_of

_PATH: Final = "/api/v1/variables"
_ONE: Final = f"{_PATH}/{{variable_key:path}}"  # an orchestrator's keys may hold slashes
_FIELDS: Final = ("value", "description")
_EXAMPLE: Final = {"key": "RETRAIN_THRESHOLD_ROWS", "value": "500"}

Key = Annotated[str, Path(description="The key of a variable; it may hold slashes.")]
Order = Annotated[str, Query(pattern="^-?(id|key|value)$", description="With a minus before it, backwards.")]
Mask = Annotated[
    list[Annotated[str, Query(pattern="^(key|value|description)(,(key|value|description))*$")]] | None,
    Query(description="Fields to change, also separated by commas."),
]


def add_variable_routes(router: APIRouter, dependencies: DagDependencies) -> None:
    """Add the pages."""
    _add_reading(router, dependencies)
    _add_writing(router, dependencies)


def _add_reading(router: APIRouter, dependencies: DagDependencies) -> None:
    @router.get(_PATH, summary="List variables", responses=dag_refusals())
    async def variables(
        limit: Limit = MOST, offset: Offset = 0, order_by: Order = "key"
    ) -> VariableCollection:
        by: OrderedBy = "value" if order_by.endswith("value") else "key"
        backwards = order_by.startswith("-")
        with as_problem():
            page, total = await dependencies.variables.page(
                page_size(limit), offset, by=by, backwards=backwards
            )
        return VariableCollection(variables=tuple(map(_shape, page)), total_entries=total)

    @router.get(_ONE, summary="Read one variable", responses=dag_refusals())
    async def variable(variable_key: Key) -> VariableShape:
        with as_problem():
            known = await dependencies.variables.get(_storable(variable_key))
        return _there(known, variable_key)


def _add_writing(router: APIRouter, dependencies: DagDependencies) -> None:
    @router.post(
        _PATH,
        summary="Keep a variable",
        responses=dag_refusals(408, 413, 415),
        openapi_extra=body_of(VariableBody, **_EXAMPLE),
    )
    async def add(request: Request) -> VariableShape:
        """In the place of one with the same key."""
        body = read_as(VariableBody, await payload_of(request, dependencies.max_body_bytes))
        if body.key == RECORDED_ROWS:
            raise bad_request([_reserved()])
        variable = Variable(key=body.key, value=body.value, description=body.description)
        with as_problem():
            await dependencies.variables.put(variable)
        return _shape(variable)

    @router.patch(
        _ONE,
        summary="Change a variable",
        responses=dag_refusals(408, 413, 415),
        openapi_extra=body_of(VariableChange, **_EXAMPLE),
    )
    async def change(variable_key: Key, request: Request, update_mask: Mask = None) -> VariableShape:
        """One that is there. `update_mask` names the fields to take from the body; else all."""
        body = read_as(VariableChange, await payload_of(request, dependencies.max_body_bytes))
        if body.key not in {None, variable_key}:
            raise bad_request([_other_key(variable_key)])
        taken = body.model_dump(include=_masked(update_mask))
        with as_problem():
            changed = await dependencies.variables.patch(_storable(variable_key), **taken)
        return _there(changed, variable_key)

    @router.delete(
        _ONE, summary="Forget a variable", status_code=HTTPStatus.NO_CONTENT, responses=dag_refusals()
    )
    async def forget(variable_key: Key) -> Response:
        with as_problem():
            was_there = await dependencies.variables.delete(_storable(variable_key))
        if not was_there:
            raise absent(f"variable {variable_key!r}")
        return Response(status_code=HTTPStatus.NO_CONTENT)


def _shape(variable: Variable) -> VariableShape:
    return VariableShape.model_validate(variable.model_dump())


def _there(variable: Variable | None, key: str) -> VariableShape:
    if variable is None:
        raise absent(f"variable {key!r}")
    return _shape(variable)


def _storable(key: str) -> str:
    """A key that may be there. Raises Problem 404 for what PostgreSQL could not hold, and for our own."""
    if "\x00" in key:
        raise absent("a variable with NUL in its key")
    if key == RECORDED_ROWS:
        raise absent(f"variable {key!r}")
    return key


def _masked(update_mask: list[str] | None) -> set[str]:
    """Which fields of a body to take; the key is only repeated there."""
    named = {field for part in update_mask or () for field in part.split(",")}
    return named - {"key"} if named else set(_FIELDS)


def _reserved() -> Fault:
    message = f"a worker stores its count of the master's rows under the key {RECORDED_ROWS!r}"
    return Fault(code="reserved_key", field="key", message=message, allowed="any other key")


def _other_key(key: str) -> Fault:
    message = "the key in the body is not the one in the path"
    return Fault(code="another_key", field="key", message=message, allowed=key)
