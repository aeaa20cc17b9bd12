"""The list of commands is true, quick, and the same everywhere."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup

from service.cli.commands import COMMANDS
from service.cli.console import Exit
from service.cli.examples import EXAMPLES
from service.cli.lazy import Lazy
from tests.tools.shown_commands import fault_in
from tests.unit.cli.calls import Laurel, spoken

SLOW = {
    "sqlalchemy",
    "aiokafka",
    "alembic",
    "polars",
    "pandas",
    "numpy",
    "mlflow",
    "dvc",
    "pydantic",
    "service.lifecycle.root",
}
SHELLS = {"bash", "zsh", "fish"}


def leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(command, TyperGroup):
        for name, member in command.commands.items():
            yield from leaves(member, f"{path} {name}")
    else:
        yield path, command


LEAVES = [leaf for command in COMMANDS for leaf in leaves(command.loaded(), str(command.name))]
every_command = pytest.mark.parametrize(("path", "leaf"), LEAVES, ids=[path for path, _ in LEAVES])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_what_the_list_says_of_a_command_is_what_the_command_says(command: Lazy) -> None:
    assert str(command.loaded().help).split("\n\n")[0] == command.help


@every_command
def test_every_command_speaks_json(path: str, leaf: Any) -> None:
    assert "--json" in {option for param in leaf.params for option in param.opts}, path


@every_command
def test_every_help_ends_with_examples_that_can_be_called(
    path: str, leaf: Any, laurel: Laurel, tmp_path: Path
) -> None:
    (tmp_path / "config").mkdir()
    master = tmp_path / "data" / "processed" / "master.parquet"
    master.parent.mkdir(parents=True)
    master.touch()
    assert leaf.epilog.startswith("\b\nExamples:"), f"{path}: its examples go into service/cli/examples.py"
    shown = laurel(*path.split(), "-h").out
    for example in EXAMPLES[path]:
        assert f"    {example}\n" in shown
        words = [word for word in shlex.split(example.partition(" > ")[0]) if "__" not in word]
        if words[0] == "eval":
            words = shlex.split(words[1].removeprefix("$(").removesuffix(")"))
        assert words[: 1 + len(path.split())] == ["laurel", *path.split()]
        assert fault_in(words) is None
        leaf.make_context(path, words[1 + len(path.split()) :])


@pytest.mark.parametrize("encoding", ["ascii", "iso8859-1"])
def test_a_terminal_without_our_signs_gets_what_it_can_show(encoding: str, whole: dict[str, str]) -> None:
    given = whole | {"MLFLOW_EXPERIMENT": "Ольга", "PYTHONIOENCODING": encoding}
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", "config", "show"], env=given, capture_output=True, check=True
    )

    assert done.stdout.isascii()
    assert b"\\u041e\\u043b\\u044c\\u0433\\u0430" in done.stdout
    assert not done.stderr


def test_there_are_examples_of_commands_alone() -> None:
    assert set(EXAMPLES) == {path for path, _ in LEAVES}


@pytest.mark.parametrize("command", [[], ["runs"], ["ledger"], ["ledger", "status"]], ids=" ".join)
def test_help_is_asked_for_in_two_ways(command: list[str], laurel: Laurel) -> None:
    short, long = laurel(*command, "-h"), laurel(*command, "--help")

    assert short == long
    assert short.code == Exit.DONE


def test_help_fits_a_terminal_of_80_columns(laurel: Laurel) -> None:
    for path, _ in [("", None), *LEAVES]:
        for line in laurel(*path.split(), "-h", COLUMNS="80").out.splitlines():
            assert len(line) <= 80 or "laurel " in line, path


def test_help_names_every_command_and_every_exit_code(laurel: Laurel) -> None:
    help_text = laurel("--help").out

    assert all(str(command.name) in help_text for command in COMMANDS)
    assert all(f" {code.value} " in help_text.replace("\n", " ") for code in Exit)


@pytest.mark.parametrize(
    "words",
    [
        ["--json", "config", "show"],
        ["config", "--json", "show"],
        ["config", "show", "--json"],
        ["--json", "config", "show", "--json"],
    ],
    ids=" ".join,
)
def test_json_is_asked_for_before_or_after_the_command(words: list[str], laurel: Laurel) -> None:
    assert laurel(*words).json[0]["name"] == "CONFIG_ROOT"


def test_the_version_is_told_in_three_ways(laurel: Laurel) -> None:
    told = laurel("version").out

    assert told.startswith("laurel 0.")
    assert laurel("--version").out == told
    assert f"laurel {laurel('version', '--json').json['version']}\n" == told


@pytest.mark.usefixtures("own_environment")
@pytest.mark.parametrize("shell", sorted(SHELLS))
def test_a_shells_script_is_printed_and_no_file_is_written(
    shell: str, laurel: Laurel, tmp_path: Path
) -> None:
    os.environ["HOME"] = str(tmp_path)
    script = laurel("completion", shell).out

    assert "_LAUREL_COMPLETE=complete_" in script
    assert not [*tmp_path.rglob("*")]


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        (["laurel", "ru"], ["runs"]),
        (["laurel", "ledger", "a"], ["accept"]),
        (["laurel", "runs", "--unf"], ["--unfinished"]),
        (["laurel", "runs", "--state", "comp"], ["COMPLETED"]),
    ],
    ids=" ".join,
)
def test_a_shell_is_answered_without_anything_slow(typed: list[str], wanted: list[str]) -> None:
    asked = {
        "_LAUREL_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(typed),
        "COMP_CWORD": str(len(typed) - 1),
    }
    words, modules = spoken([], **asked)

    assert words.split() == wanted
    assert not modules & (SLOW - {"pydantic"})  # by which the library reads a figure


SPEAKS_ALL = """
import contextlib, io, json, sys
import service.cli

def help_of(path):
    sys.argv = ["laurel", *path.split(), "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as told, contextlib.suppress(SystemExit):
        service.cli.main()
    return told.getvalue(), list(sys.modules)

print(json.dumps({path: help_of(path) for path in sys.argv[1:]}))
"""


def test_the_help_of_a_command_imports_nothing_slow() -> None:
    paths = ["", *(path for path, _ in LEAVES)]
    done = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-c", SPEAKS_ALL, *paths], capture_output=True, text=True, check=True
    )

    for path, (text, modules) in json.loads(done.stdout).items():
        assert text.startswith("Usage: laurel"), path
        assert not (SLOW | {"rich", "asyncio"}).intersection(modules), path


ANSWERS_ALL = """
import contextlib, io, json, os, sys
import service.cli

answers = {}
for words in json.loads(sys.argv[1]):
    sys.argv = ["laurel", *words]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            service.cli.main()
        except SystemExit as ended:
            answers[" ".join(words)] = ended.code, err.getvalue(), list(sys.modules)
print(json.dumps(answers))
"""
HEAVY = {
    *(
        "faststream",
        "starlette",
        "uvicorn",
        "fastapi",
        "alembic",
        "sqlalchemy.orm",
        "rich",
        "structlog",
        "apprise",
    ),
    *(
        "numpy",
        "pandas",
        "polars",
        "pyarrow",
        "sklearn",
        "mlflow",
        "dvc",
        "skops",
        "cryptography",
        "matplotlib",
    ),
}


LOOKS_INTO_THE_STORE = ("config show", "runs", "show 85a27d19", "workers")  # and asks nobody else
LOOKS = (*LOOKS_INTO_THE_STORE, "champion", "status", "ledger status")
NEEDED_BY_WRITERS = {"sqlalchemy", "prometheus_client", "yaml", "service.lifecycle.workbench"}
NEEDED_BY_OTHER_SERVERS = {"aiokafka", "httpx", "service.adapters.mlflow.rest", "domain.announcement"}


def test_a_command_that_only_looks_imports_nothing_that_writes_or_asks_others(whole: dict[str, str]) -> None:
    """The lighter ones first: what one imports is there for the next."""
    for command, (code, told, modules) in answers(LOOKS, whole).items():
        assert code == (Exit.DONE if command == "config show" else Exit.AWAY), told
        needless = NEEDED_BY_WRITERS | (NEEDED_BY_OTHER_SERVERS if command in LOOKS_INTO_THE_STORE else set())
        assert not needless.intersection(modules), command


def test_a_command_that_only_looks_imports_nothing_heavy(whole: dict[str, str]) -> None:
    """With servers that are away: it has imported all that it works with by then."""
    looking = [
        "config show",
        "runs",
        "show 85a27d19",
        "workers",
        "cancel 85a27d19",
        "retry 85a27d19",
        "dead-letters list",
        "watch --no-follow",
        "champion",
        "status",
    ]
    for command, (code, told, modules) in answers(looking, whole).items():
        assert code == (Exit.DONE if command == "config show" else Exit.AWAY), told
        assert not HEAVY.intersection(modules), command


def answers(commands: Sequence[str], environment: dict[str, str]) -> dict[str, tuple[int, str, list[str]]]:
    """Exit code, standard error, and what had been imported by then, of each, one after another."""
    done = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-c", ANSWERS_ALL, json.dumps([command.split() for command in commands])],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, tuple[int, str, list[str]]] = json.loads(done.stdout)
    return found


def test_what_a_command_leaves_is_not_looked_through_for_garbage_at_its_end() -> None:
    code = (
        "import contextlib, gc, sys, service.cli\n"
        "sys.argv = ['laurel', 'version']\n"
        "with contextlib.suppress(SystemExit): service.cli.main()\n"
        "sys.exit(gc.get_freeze_count() < len(gc.get_objects()))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)  # noqa: S603 - ours


def modules_after(code: str) -> set[str]:
    done = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_a_role_imports_neither_the_demo_nor_what_its_children_do() -> None:
    needless = {"service.local.servers", "service.local.demo", "polars", "pandas", "mlflow", "sklearn", "dvc"}
    assert not modules_after("import service.cli.roles").intersection(needless)


def test_an_unknown_command_is_wrong_usage(laurel: Laurel) -> None:
    ended = laurel("promote")

    assert ended.code == Exit.USAGE
    assert "promote" in ended.err


def test_an_option_out_of_bounds_is_wrong_usage(laurel: Laurel) -> None:
    assert laurel("runs", "--limit", 0).code == Exit.USAGE
