"""What the master must hold for a configuration, told before any work."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from domain.compatibility import master_faults
from domain.resolved_config import ResolvedConfig
from domain.values import AskedVersions
from service.adapters.files.config_families import FileConfigFamilies
from service.lifecycle.steps.jobs import InspectJob
from service.lifecycle.steps.split_job import inspect_master
from tests.worlds.synthetic import write_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[ResolvedConfig, dict[str, str]]:
    """The synthetic configuration, and its master's columns."""
    written = write_world(tmp_path_factory.mktemp("world"), rows=20)
    config = asyncio.run(
        FileConfigFamilies(Path(written.config_root)).resolve(AskedVersions(split_version=2))
    )
    assert isinstance(config, ResolvedConfig)
    return config, dict(inspect_master(InspectJob(master=written.master)).columns)


def test_a_master_with_every_column_and_more_is_fine(world: tuple[ResolvedConfig, dict[str, str]]) -> None:
    """Integers stored as floats and texts stored as categories fit."""
    config, columns = world
    assert columns["rooms"] == "float"
    assert master_faults(config, columns) == []
    assert master_faults(config, {**columns, "floors": "null", "area": "int"}) == []


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        (
            lambda columns: {name: kind for name, kind in columns.items() if name != "area"},
            "column_missing",
            "area",
        ),
        (lambda columns: {**columns, "area": "string"}, "column_type", "area"),
        (lambda columns: {**columns, "floors": "Boolean"}, "column_type", "floors"),
        (lambda columns: {**columns, "locality": "int"}, "column_type", "locality"),
        (lambda columns: {**columns, "year": "Date"}, "column_type", "year"),
    ],
)
def test_a_column_that_is_missing_or_of_another_type_is_a_fault(
    world: tuple[ResolvedConfig, dict[str, str]],
    change: Callable[[dict[str, str]], dict[str, str]],
    code: str,
    field: str,
) -> None:
    """With the type that is allowed."""
    config, columns = world
    (fault,) = master_faults(config, change(columns))
    assert (fault.code, fault.field, fault.allowed) == (code, field, config.contract.columns[field].type)
