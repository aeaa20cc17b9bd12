"""Small values that others keep here under a name."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Select,
    Text,
    bindparam,
    delete,
    func,
    literal,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql

from domain.ports.variables import MASTER_ROWS, RECORDED_ROWS, OrderedBy, Variable
from service.adapters.postgres.database import Database
from service.adapters.postgres.tables import variables

_OURS: Final = variables.c.model_name == bindparam("model")
_THIS: Final = (_OURS, variables.c.key == bindparam("named"))
_CHANGED: Final = {"updated_at": func.clock_timestamp()}

_set: Final = select(variables.c.key, variables.c.value, variables.c.description).where(
    _OURS, variables.c.key != RECORDED_ROWS
)
_other: Final = variables.alias("other")
_is_set: Final = (
    select(_other.c.key)
    .where(_other.c.model_name == bindparam("model"), _other.c.key == MASTER_ROWS)
    .exists()
)
# The count that a worker recorded shows as long as no other value is set.
_recorded: Final = select(
    literal(MASTER_ROWS).label("key"), variables.c.value, variables.c.description
).where(_OURS, variables.c.key == RECORDED_ROWS, ~_is_set)
_SHOWN: Final = union_all(_set, _recorded).subquery("shown")

_GET: Final = select(_SHOWN).where(_SHOWN.c.key == bindparam("named"))
_INSERT: Final = postgresql.insert(variables)
_PUT: Final = _INSERT.on_conflict_do_update(
    index_elements=["model_name", "key"],
    set_={"value": _INSERT.excluded.value, "description": _INSERT.excluded.description, **_CHANGED},
)


def _given(name: str) -> ColumnElement[str]:
    return func.coalesce(bindparam(f"new_{name}", type_=Text), variables.c[name])


_PATCH: Final = (
    update(variables)
    .where(*_THIS)
    .values(value=_given("value"), description=_given("description"), **_CHANGED)
    .returning(variables.c.key, variables.c.value, variables.c.description)
)
_DELETE: Final = delete(variables).where(*_THIS).returning(variables.c.key)
_COUNT: Final = select(func.count().label("total")).select_from(_SHOWN)


def _page(by: OrderedBy, *, backwards: bool) -> Select[object]:
    order = [_SHOWN.c[by], _SHOWN.c.key]
    sought = [column.desc() for column in order] if backwards else order
    return select(_SHOWN).order_by(*sought).limit(bindparam("at_most")).offset(bindparam("behind"))


class PostgresVariables:
    """`domain.ports.variables.Variables` of one model."""

    def __init__(self, database: Database, model_name: str) -> None:
        self._database = database
        self._model = model_name

    async def get(self, key: str) -> Variable | None:
        """Read one."""
        return _variable(await self._database.row("read a variable", _GET, self._named(key)))

    async def put(self, variable: Variable) -> None:
        """Insert it, or write over it."""
        row = {"model_name": self._model, **variable.model_dump()}
        await self._database.rows("keep a variable", _PUT, row)

    async def patch(
        self, key: str, *, value: str | None = None, description: str | None = None
    ) -> Variable | None:
        """Change one that is there, or set one that is only recorded."""
        given = {**self._named(key), "new_value": value, "new_description": description}
        changed = _variable(await self._database.row("change a variable", _PATCH, given))
        if changed is not None or value is None or await self.get(key) is None:
            return changed
        variable = Variable(key=key, value=value, description=description)
        await self.put(variable)
        return variable

    async def delete(self, key: str) -> bool:
        """Forget one."""
        return await self._database.row("forget a variable", _DELETE, self._named(key)) is not None

    async def page(
        self, limit: int, offset: int, *, by: OrderedBy = "key", backwards: bool = False
    ) -> tuple[Sequence[Variable], int]:
        """Read a page of them, and count all."""
        model = {"model": self._model}
        counted = await self._database.rows("count variables", _COUNT, model)
        which = {**model, "at_most": limit, "behind": offset}
        rows = await self._database.rows("read variables", _page(by, backwards=backwards), which)
        return [Variable.model_validate(dict(row)) for row in rows], int(counted[0]["total"])

    def _named(self, key: str) -> dict[str, object]:
        return {"model": self._model, "named": key}


def _variable(row: RowMapping | None) -> Variable | None:
    return None if row is None else Variable.model_validate(dict(row))
