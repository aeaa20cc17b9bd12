"""A command asks for the settings that it uses, and says what each is for."""

import os
import shlex
from pathlib import Path
from typing import Final

import pytest

from config.needs import EVERYTHING, PURPOSES
from config.settings import Settings
from config.sparing import is_set, settings_for
from service.cli.commands import COMMANDS
from service.cli.console import Exit
from tests.unit.cli.calls import Ended, Laurel
from tests.unit.cli.test_commands import LEAVES

PAGE: Final = Path(__file__).parents[3] / "docs" / "configuration.md"
ALL: Final = {name.upper() for name in EVERYTHING}
NOT_CALLED: Final = {"demo", "up", "notifier --test"}  # two start servers, and one begins to log
ARGUMENTS: Final = {
    "show": "85a27d19",
    "cancel": "85a27d19",
    "retry": "85a27d19",
    "dead-letters show": "0/17",
    "dead-letters requeue": "0/17",
    "db grant": "somebody",
    "requests reread": "--since 0",
    "ledger accept": "--reason restored",
    "hold": "--reason audit",
    "quarantine lift": "2 --reason audit",
    "rollback": "--reason restored",
    "rollback --dry-run": "--reason restored",
    "promote": "7 --reason restored",
    "completion": "bash",
    "champion --at": "2026-11-17",
    "explain": "12",
    "compare": "11 12",
}


def documented() -> dict[str, set[str]]:
    """The table of the page: what each command needs."""
    section = PAGE.read_text(encoding="utf-8").partition("### What each command needs")[2]
    rows = [
        line.split("|")[1:3] for line in section.partition("\n### ")[0].splitlines() if line.startswith("| `")
    ]
    return {
        command: ALL if needs.strip() == "all five" else set(needs.split("`")) & ALL
        for commands, needs in rows
        for command in commands.strip().strip("`").split("`, `")
    }


NEEDS: Final = documented()


def call(laurel: Laurel, command: str, **variables: str) -> Ended:
    return laurel(*shlex.split(f"{command} {ARGUMENTS.get(command, '')}"), **variables)


def test_the_page_names_every_command() -> None:
    assert {path for path, _ in LEAVES} <= set(NEEDS)


@pytest.mark.parametrize("command", sorted(NEEDS.keys() - NOT_CALLED))
def test_a_command_names_all_that_it_needs_and_what_that_is_for(command: str, laurel: Laurel) -> None:
    ended = call(laurel, command)

    needed = NEEDS[command]
    told = dict(line.split(": ", 1) for line in ended.err.splitlines() if ": is not set" in line)
    if command == "config check":
        assert needed == {"CONFIG_ROOT"}
        assert "CONFIG_ROOT is not set" in ended.err
    elif command == "inference":
        assert set(told) == needed
    elif command != "config show":
        assert told == {name: f"is not set: {PURPOSES[name.lower()]}" for name in needed}
    assert (ended.code == Exit.USAGE) == bool(needed)


@pytest.mark.parametrize(
    "command",
    [
        "runs",
        "watch",
        "champion",
        "workers",
        "cancel",
        "retry",
        "ledger status",
        "requests reread",
        "history",
        "champion --at",
        "explain",
        "compare",
        "db upgrade",
    ],
)
def test_what_a_command_needs_is_enough(command: str, laurel: Laurel, whole: dict[str, str]) -> None:
    """With servers that are away: it gets as far as asking one of them."""
    given = {name: value for name, value in whole.items() if name in NEEDS[command] | {"MLFLOW_MODEL_NAME"}}

    ended = call(laurel, command, **given)

    assert ended.code == Exit.AWAY, ended.err
    assert "is-not-set" not in ended.err
    assert ended.err.startswith("laurel: ")
    assert ended.err.count("\n") == 1
    assert "canary" not in ended.err


@pytest.mark.usefixtures("own_environment")
def test_a_setting_that_is_spared_leads_nowhere_and_is_known_to(
    tmp_path: Path, whole: dict[str, str]
) -> None:
    os.chdir(tmp_path)
    for name in whole:
        os.environ.pop(name, None)
    os.environ["MLFLOW_TRACKING_URI"] = whole["MLFLOW_TRACKING_URI"]

    settings = settings_for(())

    assert [name for name in EVERYTHING if is_set(settings, name)] == ["mlflow_tracking_uri"]
    assert settings.database_password is None
    assert not settings.config_root.exists()
    assert set(PURPOSES) == {name for name, field in Settings.model_fields.items() if field.is_required()}


def test_nothing_but_the_list_of_commands_decides_what_is_walked() -> None:
    assert {path.split()[0] for path, _ in LEAVES} == {command.name for command in COMMANDS}


SLIPS: Final = {
    "KAFKA_BOOTSTRAP_SERVER": "KAFKA_BOOTSTRAP_SERVERS",
    "MLFLOW_TRACKING_URL": "MLFLOW_TRACKING_URI",
    "MLFLOW_MODEL_NMAE": "MLFLOW_MODEL_NAME",
    "mlflow_experimnt": "MLFLOW_EXPERIMENT",
    "DATAROOT": "DATA_ROOT",
    "CONFIG_ROTO": "CONFIG_ROOT",
    "INFERENCE_API_URLS": "INFERENCE_API_URL",
    "GATE_MINIMUM_EFFECT": "GATE__MINIMUM_EFFECT",
    "WORKR__LEASE_SECONDS": "WORKER__LEASE_SECONDS",
}
OTHERS: Final = (
    *("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"),
    *(
        "KAFKA_HOME",
        "KAFKA_PORT",
        "DATABASE_URL_2",
        "DATABASE_URI",
        "DATABASE_USER",
        "LOG_LEVEL",
        "LOG_FORMAT",
    ),
    *(
        "API_PORT",
        "HTTP_HOST",
        "WORKER_ID",
        "API_TOKENS",
        "DATA_DIR",
        "DATA_FOLDER",
        "CONFIG_FOLDER",
        "_ROOT",
    ),
)


@pytest.mark.parametrize("slip", SLIPS)
@pytest.mark.parametrize("where", ["environment", ".env"])
def test_a_variable_that_is_nearly_a_setting_is_told_with_the_one_that_was_meant(
    slip: str, where: str, laurel: Laurel, whole: dict[str, str], tmp_path: Path
) -> None:
    if where == ".env":
        (tmp_path / ".env").write_text(f"{slip}=canary\n", encoding="utf-8")
    given = {} if where == ".env" else {slip: "canary"}

    told = laurel("topics", "ensure", **whole, **given).err.splitlines()[0]
    refused = laurel("topics", "ensure", **given).err
    shown = laurel("config", "show", "--json", **whole, **given).json

    assert told == f"laurel: {slip.upper()} is not a setting; did you mean {SLIPS[slip]}?"
    assert f"{slip.upper()}: there is no such setting; did you mean {SLIPS[slip]}?" in refused
    (row,) = [row for row in shown if row["name"] == slip.upper()]
    assert SLIPS[slip] in row["fault"]
    assert "canary" not in f"{told} {refused} {shown}"


@pytest.mark.parametrize(
    ("former", "now"),
    [
        ("WORKER__LIFECYCLES_AT_ONCE", "WORKER__CONCURRENT_LIFECYCLES"),
        ("RELOAD__LOOK_SECONDS", "RELOAD__POLL_SECONDS"),
    ],
)
def test_a_former_name_works_and_the_name_of_now_is_told(
    former: str, now: str, laurel: Laurel, whole: dict[str, str]
) -> None:
    told = laurel("topics", "ensure", **whole, **{former: "7"}).err.splitlines()[0]
    shown = {row["name"]: row for row in laurel("config", "show", "--json", **whole, **{former: "7"}).json}
    both = laurel("topics", "ensure", **whole, **{former: "7", now: "7"}).err

    assert told == f"laurel: {former} still works and is now called {now}: rename it"
    assert (float(shown[now]["value"]), shown[now]["origin"], former in shown) == (7, "environment", False)
    assert f"{former}: is the former name of {now}, which is set too: remove one of them" in both


def test_other_programs_variables_are_left_alone(laurel: Laurel, whole: dict[str, str]) -> None:
    shown = laurel("config", "show", "--json", **whole, **dict.fromkeys(OTHERS, "x")).json

    assert not [row["name"] for row in shown if row["fault"]]


def test_a_model_that_nobody_has_named_is_announced(laurel: Laurel, whole: dict[str, str]) -> None:
    del whole["MLFLOW_MODEL_NAME"]

    for command in ("runs", "request"):
        first = laurel(command, **whole).err.splitlines()[0]
        assert "MLFLOW_MODEL_NAME is not set: the model is 'construction_cost_model'" in first
    assert "MLFLOW_MODEL_NAME" not in laurel("db", "upgrade", **whole).err
