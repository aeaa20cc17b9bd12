"""`laurel repair` on the real registry and ledger: killed between any two steps, at once, and of others.

Its cost: a training of the older package, and two repairs of it for each of three steps (`make soak`: six).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.ledger import Cause
from service.cli.console import Exit
from service.lifecycle.run_ports import RunPorts
from service.lifecycle.settings_values import mlflow_access
from service.lifecycle.workbench import open_world, repair_in
from tests.kit.settings_of import settings_of
from tests.unit.cli.calls import Laurel
from tests.worlds.foreign_models import log_foreign, register_foreign
from tests.worlds.registered_models import ModelShelf, open_shelf, small_package
from tests.worlds.servers import MlflowServer
from tests.worlds.small_models import table

STEPS = {
    "the model": ("tracker", "create_successor"),
    "its files": ("tracker", "finalize_model"),
    "the version": ("registry", "register"),
    "the entry": ("ledger", "append"),
    "the alias": ("registry", "set_alias"),
    "the announcement": ("ledger", "announce"),
}


class KilledError(Exception):
    """The process is gone."""


class Dying:
    """A port whose process is killed behind one of its calls."""

    def __init__(self, port: Any, name: str) -> None:
        self._port = port
        self._name = name

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._port, name)
        if name != self._name:
            return call

        async def die(*args: Any, **kwargs: Any) -> None:
            await call(*args, **kwargs)
            raise KilledError

        return die


@pytest.fixture(scope="module")
def older_package(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A package that names no run."""
    return small_package(tmp_path_factory.mktemp("older"))


@pytest.fixture
async def shelf(mlflow_server: MlflowServer, tmp_path: Path, model: str) -> AsyncIterator[ModelShelf]:
    uri, scratch = mlflow_server.tracking_uri, tmp_path / "scratch"
    async with open_shelf(uri, scratch, model, mlflow_server.artifacts) as shelf:
        yield shelf


@asynccontextmanager
async def opened(environment: dict[str, str]) -> AsyncIterator[tuple[RunPorts, Any]]:
    settings = settings_of(environment)
    async with open_world(settings, "laurel repair") as world:
        yield world, mlflow_access(settings)


@pytest.mark.parametrize(
    "steps",
    [("its files", "the version", "the entry"), pytest.param(tuple(STEPS), marks=pytest.mark.soak)],
    ids=len,
)
async def test_a_repair_that_was_killed_anywhere_is_done_once_by_the_next(
    shelf: ModelShelf,
    environment: dict[str, str],
    older_package: dict[str, bytes],
    steps: Sequence[str],
) -> None:
    async with opened(environment) as (world, access):
        for number, (port, name) in enumerate(STEPS[step] for step in steps):
            old = await shelf.promote(older_package, None)
            ports: dict[str, Any] = {port: Dying(getattr(world, port), name)}
            with pytest.raises(KilledError):
                await repair_in(replace(world, **ports), access).repair()
            done = await repair_in(world, access).repair()
            assert done is not None
            assert not done.unshown
            entries = await world.ledger.entries(shelf.model_name)
            assert [entry.cause for entry in entries[2 * number :]] == [
                Cause.OVERRIDE if number else Cause.ADOPTED,
                Cause.REPAIR,
            ], name
            head = entries[-1]
            assert (head.mlflow_run_id, head.version) == (old.mlflow_run_id, old.version + 1)
            assert await world.registry.alias_version(shelf.model_name) == head.version
            assert await world.ledger.unannounced(shelf.model_name) == []
            assert await shelf.registry.version(shelf.model_name, old.version + 2) is None


async def test_two_repairs_at_once_make_one_generation(
    shelf: ModelShelf, environment: dict[str, str], older_package: dict[str, bytes]
) -> None:
    await shelf.promote(older_package, None)
    async with opened(environment) as (world, access):
        done = await asyncio.gather(*(repair_in(world, access).repair() for _ in range(2)))
        entries = await world.ledger.entries(shelf.model_name)
    assert [entry.cause for entry in entries] == [Cause.ADOPTED, Cause.REPAIR]
    assert [one and one.added for one in done].count(None) == 1


def test_a_champion_of_others_is_refused_and_none_is_not_found(
    laurel: Laurel, environment: dict[str, str], model: str
) -> None:
    none = laurel("repair")
    assert (none.code, none.err) == (
        Exit.NOT_FOUND,
        f"{model} has no champion: there is nothing to repair\n",
    )
    rows = table(rows=40).drop_null().to_pandas()
    uri = environment["MLFLOW_TRACKING_URI"]
    theirs = log_foreign(uri, f"{model}-theirs", rows[["size"]], rows["price"].tolist(), name="model")
    register_foreign(uri, model, theirs)
    refused = laurel("repair", "--json")
    assert (refused.code, refused.json["needed"], refused.json["added"]) == (Exit.NO, False, None)
    assert "was not made by Laurel" in refused.err
