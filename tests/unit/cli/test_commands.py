"""The list of commands is true, quick, and the same everywhere."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.core import TyperGroup

from service.cli.commands import COMMANDS
from service.cli.console import Exit
from service.cli.lazy import Lazy
from tests.unit.cli.calls import Laurel

SLOW = {"sqlalchemy", "aiokafka", "alembic", "polars", "pandas", "mlflow", "dvc", "pydantic", "service.app"}


def leaves(command: Any) -> Iterator[Any]:
    if isinstance(command, TyperGroup):
        for member in command.commands.values():
            yield from leaves(member)
    else:
        yield command


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_what_the_list_says_of_a_command_is_what_the_command_says(command: Lazy) -> None:
    assert command.loaded().help.split("\n\n")[0] == command.help


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_speaks_json(command: Lazy) -> None:
    for leaf in leaves(command.loaded()):
        assert "--json" in {option for param in leaf.params for option in param.opts}, leaf.name


def test_help_names_every_command_and_every_exit_code(laurel: Laurel) -> None:
    help_text = laurel("--help").out

    assert all(str(command.name) in help_text for command in COMMANDS)
    assert all(f" {code.value} " in help_text.replace("\n", " ") for code in Exit)


def modules_after(code: str) -> set[str]:
    done = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_the_list_of_commands_imports_nothing_slow() -> None:
    assert not modules_after("import service.cli.commands").intersection(SLOW)


def test_a_role_imports_neither_the_demo_nor_what_its_children_do() -> None:
    needless = {"service.embedded", "service.demo", "polars", "pandas", "mlflow", "sklearn", "dvc"}
    assert not modules_after("import service.cli.roles").intersection(needless)


def test_an_unknown_command_is_wrong_usage(laurel: Laurel) -> None:
    ended = laurel("promote")

    assert ended.code == Exit.USAGE
    assert "promote" in ended.err


def test_an_option_out_of_bounds_is_wrong_usage(laurel: Laurel) -> None:
    assert laurel("runs", "--limit", 0).code == Exit.USAGE


def test_the_version_is_told(laurel: Laurel) -> None:
    assert laurel("--version").out.startswith("laurel 0.")
