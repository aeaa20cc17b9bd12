"""The file by which a world hands its settings to other terminals."""

import os
import subprocess
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic_settings import BaseSettings

from config.inference_settings import InferenceSettings
from config.settings import Settings
from service.cli.console import Exit
from service.cli.local import given_settings
from service.cli.world_file import forget_own_addresses, write_world_file
from service.local.servers.folder import FolderLock
from tests.unit.cli.calls import Laurel

ODD = 'it\'s $HOME `ls` "two"\nlines \\ é'
BARE = {"PATH": "/usr/bin:/bin"}


def loaded_from(file: Path) -> dict[str, str]:
    """What a bare terminal in another folder has after `. FILE`, and nothing was printed."""
    done = subprocess.run(  # noqa: S603 - ours
        ["/bin/sh", "-c", '. "$1" && . "$1" && env -0', "sh", str(file)],
        env=BARE, cwd="/", capture_output=True, check=True,
    )  # fmt: skip
    assert not done.stderr
    pairs = (pair.partition("=") for pair in done.stdout.decode().split("\0") if pair)
    return {name: value for name, _, value in pairs}


def names_of(kind: type[BaseSettings]) -> set[str]:
    found = set()
    for name, field in kind.model_fields.items():
        group = field.default
        members = type(group).model_fields if isinstance(group, BaseModel) else ()
        found |= {f"{name}__{member}".upper() for member in members} or {name.upper()}
    return found


@pytest.mark.usefixtures("own_environment")
def test_every_setting_that_is_given_is_known(tmp_path: Path) -> None:
    """Whatever its value, and in any spelling that the settings take; `NAME=` means "not set"."""
    os.chdir(tmp_path)
    names = names_of(Settings) | names_of(InferenceSettings)
    for name in names:
        os.environ.pop(name, None)  # MLflow's library sets one when a test uses it
    (tmp_path / ".env").write_text("MLFLOW_MODEL_NAME=theirs\nGATE__METRIC=mae\nKAFKA_PASS=x\n")
    assert given_settings() == {"MLFLOW_MODEL_NAME": "theirs", "GATE__METRIC": "mae"}
    for name in names:
        os.environ[name.lower()] = f"{name} as it is"
    os.environ["KAFKA__SASL_USERNAME"] = ""
    del os.environ["KAFKA__SASL_USERNAME".lower()]
    assert given_settings() == {name: f"{name} as it is" for name in names - {"KAFKA__SASL_USERNAME"}}


@pytest.mark.usefixtures("own_environment")
def test_a_path_is_absolute_for_whoever_stands_elsewhere(tmp_path: Path, whole: dict[str, str]) -> None:
    os.chdir(tmp_path)
    relative = {"CONFIG_ROOT": "config", "DVC__REMOTE_URL": "remote", "MLFLOW_EXPERIMENT": "config"}
    os.environ.update({**whole, **relative})
    given = given_settings()
    assert given["CONFIG_ROOT"] == str(tmp_path / "config")
    assert given["DVC__REMOTE_URL"] == str(tmp_path / "remote")
    assert given["MLFLOW_EXPERIMENT"] == "config"


def test_a_terminal_that_loads_it_has_each_value_as_it_is_and_finds_laurel(tmp_path: Path) -> None:
    file = write_world_file({"MLFLOW_MODEL_NAME": ODD, "GATE__METRIC": "mae"}, tmp_path)
    loaded = loaded_from(file)
    assert (loaded["MLFLOW_MODEL_NAME"], loaded["GATE__METRIC"]) == (ODD, "mae")
    folder, *rest = loaded["PATH"].split(":")
    assert Path(folder, "laurel").exists()
    assert rest == BARE["PATH"].split(":")
    assert file.stat().st_mode & 0o177 == 0
    first, second = file.read_text(encoding="utf-8").splitlines()[:2]
    assert first.startswith("# The settings of the Laurel that runs in ")
    assert second.endswith(f": . {file}")


KAFKA, MLFLOW, SERVERS = "KAFKA_BOOTSTRAP_SERVERS", "MLFLOW_TRACKING_URI", "INFERENCE_API_URL"


def test_addresses_of_servers_that_a_world_started_are_its_own_once_it_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not those that were given to it, nor one that was set since; and while it runs they lead somewhere."""
    file = write_world_file(
        {KAFKA: "localhost:19092", MLFLOW: "http://mlflow:5000", SERVERS: '["http://127.0.0.1:1"]'},
        tmp_path,
        own=(KAFKA, SERVERS),
    )
    loaded = loaded_from(file)
    monkeypatch.setattr(os, "environ", loaded)
    lock = FolderLock(tmp_path / "servers", "world")
    lock.acquire()
    assert forget_own_addresses(tmp_path) == []
    lock.release()
    loaded[SERVERS] = "http://127.0.0.1:2"
    assert forget_own_addresses(tmp_path / "elsewhere") == []
    assert forget_own_addresses(tmp_path) == [KAFKA]
    assert KAFKA not in loaded
    assert (loaded[MLFLOW], loaded[SERVERS]) == ("http://mlflow:5000", "http://127.0.0.1:2")


@pytest.mark.parametrize("text", ["", "export '", "\0", "# Addresses of servers that it started"])
def test_another_file_in_its_place_owns_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "env").write_text(text)
    assert forget_own_addresses(tmp_path) == []


@pytest.mark.parametrize("command", ["runs", "champion", "config check", "inference"])
def test_a_command_without_settings_says_where_those_of_a_running_world_are(
    command: str, laurel: Laurel, tmp_path: Path
) -> None:
    home = tmp_path / ".laurel"
    home.mkdir()
    file = write_world_file({}, home)
    assert "found" not in laurel(*command.split()).err
    lock = FolderLock(home / "servers", "world")
    lock.acquire()
    try:
        ended = laurel(*command.split())
    finally:
        lock.release()
    assert ended.code == Exit.USAGE
    assert f"found {file} of a running `laurel up`: load it with `. .laurel/env`" in ended.err
