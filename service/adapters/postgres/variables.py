"""Small values that others keep here under a name."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import RowMapping, Text, bindparam, delete, func, select, update
from sqlalchemy.dialects import postgresql

from domain.ports.variables import Variable
from service.adapters.postgres.database import Database
from service.adapters.postgres.tables import variables

_FIELDS: Final = (variables.c.key, variables.c.value, variables.c.description)
_OURS: Final = variables.c.model_name == bindparam("model")
_THIS: Final = (_OURS, variables.c.key == bindparam("named"))
_CHANGED: Final = {"updated_at": func.clock_timestamp()}

_GET: Final = select(*_FIELDS).where(*_THIS)
_INSERT: Final = postgresql.insert(variables)
_PUT: Final = _INSERT.on_conflict_do_update(
    index_elements=["model_name", "key"],
    set_={"value": _INSERT.excluded.value, "description": _INSERT.excluded.description, **_CHANGED},
)


def _given(name: str) -> Any:
    return func.coalesce(bindparam(f"new_{name}", type_=Text), variables.c[name])


_PATCH: Final = (
    update(variables)
    .where(*_THIS)
    .values(value=_given("value"), description=_given("description"), **_CHANGED)
    .returning(*_FIELDS)
)
_DELETE: Final = delete(variables).where(*_THIS).returning(variables.c.key)
_PAGE: Final = (
    select(*_FIELDS)
    .where(_OURS)
    .order_by(variables.c.key)
    .limit(bindparam("at_most"))
    .offset(bindparam("behind"))
)
_COUNT: Final = select(func.count().label("total")).select_from(variables).where(_OURS)


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
        """Change one that is there."""
        given = {**self._named(key), "new_value": value, "new_description": description}
        return _variable(await self._database.row("change a variable", _PATCH, given))

    async def delete(self, key: str) -> bool:
        """Forget one."""
        return await self._database.row("forget a variable", _DELETE, self._named(key)) is not None

    async def page(self, limit: int, offset: int) -> tuple[Sequence[Variable], int]:
        """Read a page of them, and count all."""
        model = {"model": self._model}
        counted = await self._database.rows("count variables", _COUNT, model)
        which = {**model, "at_most": limit, "behind": offset}
        rows = await self._database.rows("read variables", _PAGE, which)
        return [Variable.model_validate(dict(row)) for row in rows], int(counted[0]["total"])

    def _named(self, key: str) -> dict[str, Any]:
        return {"model": self._model, "named": key}


def _variable(row: RowMapping | None) -> Variable | None:
    return None if row is None else Variable.model_validate(dict(row))
