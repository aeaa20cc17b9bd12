"""`laurel config`: what is in force is shown truly and without secrets, and every file is judged."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from service.cli.console import Exit
from service.demo.stage import EXAMPLE
from tests.unit.cli.calls import Ended, Laurel


def shown(ended: Ended) -> dict[str, Any]:
    assert ended.code == Exit.DONE
    return {row["name"]: row for row in ended.json}


def test_the_origin_of_a_value_is_true(laurel: Laurel, whole: dict[str, str], tmp_path: Path) -> None:
    """Environment, .env and default, in groups too; an empty variable is none."""
    (tmp_path / ".env").write_text(
        "WORKER__LEASE_SECONDS=7\nGATE__METRIC=mae\nLOG__LEVEL=\n", encoding="utf-8"
    )

    rows = shown(laurel("config", "show", "--json", GATE__METRIC="rmsle", worker__id="w1", **whole))

    seen = {name: (rows[name]["value"], rows[name]["origin"]) for name in rows}
    assert seen["WORKER__LEASE_SECONDS"] == ("7.0", ".env")
    assert seen["GATE__METRIC"] == ("rmsle", "environment")
    assert seen["WORKER__ID"] == ("w1", "environment")
    assert seen["LOG__LEVEL"] == ("INFO", "default")
    assert seen["HTTP__WORKER_PORT"] == ("18080", "default")
    assert seen["CONFIG_ROOT"] == (whole["CONFIG_ROOT"], "environment")


def test_what_is_missing_is_shown_beside_what_is_set(laurel: Laurel, whole: dict[str, str]) -> None:
    del whole["DATABASE_URL"]

    rows = shown(laurel("config", "show", "--json", **whole | {"WORKER__LEASE_SECONDS": "-canary"}))

    assert rows["DATABASE_URL"]["origin"] == "missing"
    assert rows["DATABASE_URL"]["fault"] == "is not set"
    assert rows["CONFIG_ROOT"]["value"] == whole["CONFIG_ROOT"]
    assert rows["WORKER__LEASE_SECONDS"]["value"] == ""
    assert rows["WORKER__LEASE_SECONDS"]["fault"]
    assert rows["WORKER__MAX_ATTEMPTS"]["value"] == "3"


def test_what_is_no_setting_is_shown_as_a_fault(laurel: Laurel, whole: dict[str, str]) -> None:
    rows = shown(laurel("config", "show", "--json", **whole | {"WORKER__LEASE_SECOND": "1"}))

    assert rows["WORKER__LEASE_SECOND"]["fault"] == "there is no such setting"


@pytest.mark.parametrize("missing", [(), ("CONFIG_ROOT",)], ids=["whole", "incomplete"])
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["table", "json"])
def test_no_secret_is_shown(
    missing: tuple[str, ...], form: tuple[str, ...], laurel: Laurel, whole: dict[str, str]
) -> None:
    secrets = {
        "DATABASE_URL": "postgresql://laurel:canary-1@database:5432/laurel?password=canary-2",
        "INFERENCE_INTERNAL_TOKEN": "canary-3",
        "MLFLOW__TOKEN": "canary-4",
    }
    variables = {name: value for name, value in (whole | secrets).items() if name not in missing}

    ended = laurel("config", "show", *form, **variables)

    assert ended.code == Exit.DONE
    assert "canary" not in ended.out + ended.err
    assert "********" in ended.out


def test_of_a_database_address_only_the_password_is_masked(laurel: Laurel, whole: dict[str, str]) -> None:
    address = "postgresql://laurel:canary@database:5432/laurel?sslmode=require"

    rows = shown(laurel("config", "show", "--json", **whole | {"DATABASE_URL": address}))

    assert rows["DATABASE_URL"]["value"] == address.replace("canary", "********")


@pytest.fixture
def example(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("data"))
    return folder


def test_the_examples_files_are_usable(laurel: Laurel, whole: dict[str, str], example: Path) -> None:
    ended = laurel("config", "check", **whole)

    assert ended.code == Exit.DONE, ended.out
    assert str(example) in ended.out
    assert "every file is usable" in ended.out


def test_every_fault_of_every_family_is_told_with_its_line(
    laurel: Laurel, whole: dict[str, str], example: Path
) -> None:
    (example / "models" / "v4.yaml").write_text(
        "version: 4\nmodel:\n  type: ridge\n  params:\n    alfa: 1\n", encoding="utf-8"
    )
    (example / "features" / "v2.yaml").write_text(
        "version: 2\ndata_contract: 9\ntabular_features: {}\n", encoding="utf-8"
    )
    (example / "splits" / "v2.yaml").write_text("version: [\n", encoding="utf-8")
    (example / "data_contracts" / "v2.yaml").write_text("version: 3\n", encoding="utf-8")

    ended = laurel("config", "check", **whole)

    assert ended.code == Exit.NO
    for place in ("models/v4.yaml:5: ", "features/v2.yaml:", "splits/v2.yaml:", "data_contracts/v2.yaml:1: "):
        assert place in ended.out
    again = laurel("config", "check", "--json", **whole)
    assert len({(fault["file"], fault["message"]) for fault in again.json["faults"]}) == len(
        again.json["faults"]
    )


def test_a_folder_without_configuration_is_a_fault(laurel: Laurel, whole: dict[str, str]) -> None:
    ended = laurel("config", "check", **whole)

    assert ended.code == Exit.NO
    assert "active_config.yaml" in ended.out


def test_what_may_not_be_meant_is_asked_about(laurel: Laurel, whole: dict[str, str], example: Path) -> None:
    """A target that may be below 0 under rmsle, durations that are subtracted from dates: no fault yet."""
    contract, split = example / "data_contracts" / "v1.yaml", example / "splits" / "v1.yaml"
    text = contract.read_text(encoding="utf-8")
    contract.write_text(text.replace("non_nullable: true, min: 1}", "non_nullable: true}"), encoding="utf-8")
    text = split.read_text(encoding="utf-8")
    split.write_text(text.replace("{min: 2006, max: 2008}", "{min: 200601, max: 200812}"), encoding="utf-8")

    ended = laurel("config", "check", **whole)

    assert ended.code == Exit.DONE, ended.out
    assert "data_contracts/v1.yaml:8: can the target Sale_Price be below 0?" in ended.out
    assert "min: 0 for the target, or GATE__METRIC=mae" in ended.out
    assert "is Year_Sold a date written as YYYYMM?" in ended.out
    by_mae = laurel("config", "check", "--json", GATE__METRIC="mae", **whole)
    assert [asked["code"] for asked in by_mae.json["questions"]] == ["period_is_a_date"]
