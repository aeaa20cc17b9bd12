"""Pages for variables: small values that a platform keeps here, such as the size of its master dataset."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from domain.faults import Fault
from domain.ports.variables import RECORDED_ROWS, OrderedBy, Variable
from service.api.dag.bodies import VariableBody, VariableChange, read_as
from service.api.dag.descriptions import ADD, CHANGE, FORGET, VARIABLE, VARIABLES
from service.api.dag.desk import DagDesk
from service.api.dag.refusals import absent, bad_request
from service.api.dag.runs import MOST, Limit, Offset, page_size
from service.api.dag.shapes import VariableCollection, VariableShape
from service.api.refusals import as_problem
from service.api.requests import payload_of

_PATH: Final = "/api/v1/variables"
_ONE: Final = f"{_PATH}/{{variable_key:path}}"  # an orchestrator's keys may hold slashes
_FIELDS: Final = ("value", "description")

Order = Annotated[str, Query(pattern="^-?(id|key|value)$", description="With a minus before it, backwards.")]
Mask = Annotated[
    list[Annotated[str, Query(pattern="^(key|value|description)(,(key|value|description))*$")]] | None,
    Query(description="Fields to change, also separated by commas."),
]


def add_variable_routes(router: APIRouter, desk: DagDesk) -> None:
    """Add the pages."""
    _add_reading(router, desk)
    _add_writing(router, desk)


def _add_reading(router: APIRouter, desk: DagDesk) -> None:
    @router.get(_PATH, **VARIABLES)
    async def variables(
        limit: Limit = MOST, offset: Offset = 0, order_by: Order = "key"
    ) -> VariableCollection:
        by: OrderedBy = "value" if order_by.endswith("value") else "key"
        backwards = order_by.startswith("-")
        with as_problem():
            page, total = await desk.variables.page(page_size(limit), offset, by=by, backwards=backwards)
        return VariableCollection(variables=tuple(map(_shape, page)), total_entries=total)

    @router.get(_ONE, **VARIABLE)
    async def variable(variable_key: str) -> VariableShape:
        with as_problem():
            known = await desk.variables.get(_storable(variable_key))
        return _there(known, variable_key)


def _add_writing(router: APIRouter, desk: DagDesk) -> None:
    @router.post(_PATH, **ADD)
    async def add(request: Request) -> VariableShape:
        body = read_as(VariableBody, await payload_of(request, desk.max_body_bytes))
        if body.key == RECORDED_ROWS:
            raise bad_request([_reserved()])
        variable = Variable(key=body.key, value=body.value, description=body.description)
        with as_problem():
            await desk.variables.put(variable)
        return _shape(variable)

    @router.patch(_ONE, **CHANGE)
    async def change(variable_key: str, request: Request, update_mask: Mask = None) -> VariableShape:
        body = read_as(VariableChange, await payload_of(request, desk.max_body_bytes))
        if body.key not in {None, variable_key}:
            raise bad_request([_other_key(variable_key)])
        taken = body.model_dump(include=_masked(update_mask))
        with as_problem():
            changed = await desk.variables.patch(_storable(variable_key), **taken)
        return _there(changed, variable_key)

    @router.delete(_ONE, **FORGET)
    async def forget(variable_key: str) -> Response:
        with as_problem():
            was_there = await desk.variables.delete(_storable(variable_key))
        if not was_there:
            raise absent(f"variable {variable_key!r}")
        return Response(status_code=204)


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
    message = f"a worker keeps its count of the master's rows under the key {RECORDED_ROWS!r}"
    return Fault(code="reserved_key", field="key", message=message, allowed="any other key")


def _other_key(key: str) -> Fault:
    message = "the key in the body is not the one in the path"
    return Fault(code="another_key", field="key", message=message, allowed=key)
