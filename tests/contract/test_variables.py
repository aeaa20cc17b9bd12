"""What PostgreSQL keeps of variables."""

from collections.abc import AsyncIterator

import pytest

from domain.ports.dataset_files import MasterRows
from domain.ports.variables import Variable, Variables
from service.adapters.postgres.database import open_database
from service.adapters.postgres.master_rows import PostgresMasterRows
from service.adapters.postgres.variables import PostgresVariables

ROWS = Variable(key="CURRENT_MASTER_ROWS", value="123")
NAME = Variable(key="Größe der Stadt", value="'; drop table x; -- ü", description="a name that is no name")


@pytest.fixture
async def variables(migrated_url: str, model: str) -> AsyncIterator[Variables]:
    async with open_database(migrated_url) as database:
        yield PostgresVariables(database, model)


@pytest.fixture
async def master_rows(migrated_url: str, model: str) -> AsyncIterator[MasterRows]:
    async with open_database(migrated_url) as database:
        yield PostgresMasterRows(database, model)


async def test_what_was_never_kept_is_not_there(variables: Variables) -> None:
    assert await variables.get("CURRENT_MASTER_ROWS") is None
    assert await variables.patch("CURRENT_MASTER_ROWS", value="1") is None
    assert await variables.delete("CURRENT_MASTER_ROWS") is False
    assert await variables.page(10, 0) == ([], 0)


async def test_what_is_kept_is_read_back_as_it_was(variables: Variables) -> None:
    for variable in (ROWS, NAME):
        await variables.put(variable)
        assert await variables.get(variable.key) == variable


async def test_the_last_one_under_a_key_stays(variables: Variables) -> None:
    await variables.put(NAME)
    await variables.put(NAME.model_copy(update={"value": "", "description": None}))

    assert await variables.get(NAME.key) == Variable(key=NAME.key, value="")


async def test_a_change_leaves_what_it_does_not_name(variables: Variables) -> None:
    await variables.put(NAME)

    changed = NAME.model_copy(update={"value": "456"})
    assert await variables.patch(NAME.key, value="456") == changed
    assert await variables.patch(NAME.key) == changed
    described = await variables.patch(NAME.key, description="rows")
    assert described == await variables.get(NAME.key) == changed.model_copy(update={"description": "rows"})


async def test_what_was_forgotten_is_gone(variables: Variables) -> None:
    await variables.put(ROWS)

    assert await variables.delete(ROWS.key) is True
    assert await variables.get(ROWS.key) is None


async def test_pages_are_in_the_order_of_the_keys(variables: Variables) -> None:
    for key in ("c", "a", "b"):
        await variables.put(Variable(key=key, value=key))

    page, total = await variables.page(2, 1)
    assert ([variable.key for variable in page], total) == (["b", "c"], 3)


async def test_the_recorded_count_shows_until_somebody_sets_another(
    variables: Variables, master_rows: MasterRows
) -> None:
    """Alone in the list, too; a description alone sets nothing, and forgetting goes back to the count."""
    await master_rows.record(0)
    await master_rows.record(1_311)
    shown = await variables.get(ROWS.key)
    assert shown is not None
    assert (shown.key, shown.value) == (ROWS.key, "1311")
    assert "counted" in (shown.description or "")
    assert await variables.page(10, 0) == ([shown], 1)
    assert await variables.patch(ROWS.key, description="mine") is None
    assert await variables.delete(ROWS.key) is False

    assert await variables.patch(ROWS.key, value="5") == Variable(key=ROWS.key, value="5")
    await master_rows.record(1_312)
    assert await variables.page(10, 0) == ([Variable(key=ROWS.key, value="5")], 1)
    assert await variables.delete(ROWS.key) is True
    assert (await variables.page(10, 0))[0][0].value == "1312"


async def test_pages_can_be_in_another_order(variables: Variables) -> None:
    for key, value in (("a", "2"), ("b", "1")):
        await variables.put(Variable(key=key, value=value))

    for asked, keys in (({"by": "value"}, ["b", "a"]), ({"backwards": True}, ["b", "a"])):
        page, _ = await variables.page(10, 0, **asked)
        assert [variable.key for variable in page] == keys


async def test_another_model_has_variables_of_its_own(variables: Variables, migrated_url: str) -> None:
    await variables.put(ROWS)

    async with open_database(migrated_url) as database:
        await PostgresMasterRows(database, "a third").record(7)
        assert await PostgresVariables(database, "another").get(ROWS.key) is None
        assert await PostgresVariables(database, "another").page(10, 0) == ([], 0)
