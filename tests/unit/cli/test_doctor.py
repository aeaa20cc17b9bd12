"""The doctor without servers: each fault has a line, and each line a mend."""

import shutil
from pathlib import Path

import pytest

from service.cli.console import Exit
from service.local.demo.stage import EXAMPLE, Stage
from tests.unit.cli.calls import Laurel


def lines(laurel: Laurel, whole: dict[str, str]) -> dict[str, str]:
    ended = laurel("doctor", **whole)
    assert ended.code == Exit.NO
    assert "canary" not in ended.out
    return {line[6:].partition("  ")[0]: line for line in ended.out.splitlines()}


def fix(line: str) -> str:
    assert line.startswith("FAIL")
    return line.partition(" → ")[2]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    stage = Stage(tmp_path)
    stage.set_up()
    return stage


def test_servers_that_are_down_are_named_with_their_setting(laurel: Laurel, whole: dict[str, str]) -> None:
    found = lines(laurel, whole)

    assert fix(found["kafka"]) == "start it, or correct KAFKA_BOOTSTRAP_SERVERS"
    assert whole["KAFKA_BOOTSTRAP_SERVERS"] in found["kafka"]
    assert fix(found["postgresql"]) == "start it, or correct DATABASE_URL"
    assert fix(found["mlflow"]) == "start it, or correct MLFLOW_TRACKING_URI"
    assert whole["MLFLOW_TRACKING_URI"] in found["mlflow"]


def test_folders_and_the_master_that_are_missing_are_named(laurel: Laurel, whole: dict[str, str]) -> None:
    found = lines(laurel, whole | {"DVC__CACHE_FOLDER": "/proc/cache", "DVC__REMOTE_URL": "/proc/a"})

    assert fix(found["DVC__CACHE_FOLDER"]) == "let this user write there"
    for name in ("DVC__CACHE_FOLDER", "DVC__REMOTE_URL"):
        assert "/proc cannot be written: making a directory is refused" in found[name]
    assert fix(found["CONFIG_ROOT"]) == "create it, or correct CONFIG_ROOT"
    assert fix(found["DATA_ROOT"]) == "create it, or correct DATA_ROOT"
    assert fix(found["master"]) == "let the data pipeline write it"
    assert fix(found["configuration"]) == f"correct it in {whole['CONFIG_ROOT']}"


def test_what_is_ok_is_said_to_be_ok(laurel: Laurel, whole: dict[str, str], stage: Stage) -> None:
    shutil.copy(EXAMPLE / "data" / "ames.parquet", stage.master)

    found = lines(laurel, whole)

    for name in (
        "CONFIG_ROOT",
        "DATA_ROOT",
        "DVC__CACHE_FOLDER",
        "DVC__REMOTE_URL",
        "master",
        "configuration",
    ):
        assert found[name].startswith("ok"), found[name]
        assert "→" not in found[name]


@pytest.mark.usefixtures("stage")
def test_a_folder_where_nothing_can_be_written_is_found_by_writing(
    laurel: Laurel, whole: dict[str, str]
) -> None:
    """Not even root writes into /proc, whatever its rights say."""
    found = lines(laurel, whole | {"DATA_ROOT": "/proc"})

    assert fix(found["DATA_ROOT"]) == "let this user write there"


def test_a_broken_master_and_a_broken_file_are_found(
    laurel: Laurel, whole: dict[str, str], stage: Stage
) -> None:
    stage.master.write_bytes(b"a,b\n1,2\n")
    (stage.config_root / "models" / "v2.yaml").write_text("version: 2\nmodle: {}\n", encoding="utf-8")

    found = lines(laurel, whole)

    assert fix(found["master"]) == "let the data pipeline write it again"
    assert "models/v2.yaml:" in found["configuration"]


def test_an_inference_server_that_is_down_is_named(laurel: Laurel, whole: dict[str, str]) -> None:
    address = whole["MLFLOW_TRACKING_URI"]
    ended = laurel("doctor", "--json", **whole | {"INFERENCE_API_URL": address})

    found = {finding["what"]: finding for finding in ended.json}
    assert found[f"inference {address}"]["well"] is False
    assert "INFERENCE_API_URL" in found[f"inference {address}"]["mend"]


def test_closed_doors_and_a_notifier_that_tells_nobody_are_no_fault(
    laurel: Laurel, whole: dict[str, str]
) -> None:
    found = lines(laurel, whole)

    told = {name: line.split(maxsplit=1)[1] for name, line in found.items() if line.startswith("ok")}
    assert told["api /training-requests"].endswith("closed: API__TOKENS is not set")
    assert told["api /api/v1"].endswith("closed: API__BASIC_USER and API__BASIC_PASSWORD are not set")
    assert told["notifier"].endswith("disabled: NOTIFIER__URLS is not set")


def test_open_doors_and_channels_are_named_without_their_secrets(
    laurel: Laurel, whole: dict[str, str]
) -> None:
    more = {
        "API__TOKENS": "policy:canary-of-a-token,gateway:canary-of-another",
        "API__BASIC_USER": "dashboard",
        "API__BASIC_PASSWORD": "canary-of-a-password",
        "NOTIFIER__URLS": "json://user:canary@127.0.0.1:9/canary",
    }
    found = lines(laurel, whole | more)

    assert found["api /training-requests"].endswith("open to gateway, policy")
    assert found["api /api/v1"].endswith("open to dashboard")
    assert found["notifier"].startswith("ok")
    assert "tells json-" in found["notifier"]


def test_a_channel_that_cannot_be_read_has_a_fix(laurel: Laurel, whole: dict[str, str]) -> None:
    found = lines(laurel, whole | {"NOTIFIER__URLS": "json://127.0.0.1:9 canary://"})

    assert "cannot read number 2 of 2 addresses" in found["notifier"]
    assert fix(found["notifier"]) == "correct it; `laurel notifier --test` tries each channel"
