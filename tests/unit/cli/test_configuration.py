"""`laurel config`: what is in force is shown truly and without secrets, and every file is judged."""

import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from service.cli.console import Exit
from service.local.demo.stage import EXAMPLE
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
    assert rows["DATABASE_URL"]["fault"].startswith("is not set: ")
    assert rows["CONFIG_ROOT"]["value"] == whole["CONFIG_ROOT"]
    assert rows["WORKER__LEASE_SECONDS"]["value"] == ""
    assert rows["WORKER__LEASE_SECONDS"]["fault"]
    assert rows["WORKER__MAX_ATTEMPTS"]["value"] == "3"


def test_what_is_no_setting_is_shown_as_a_fault(laurel: Laurel, whole: dict[str, str]) -> None:
    rows = shown(laurel("config", "show", "--json", **whole | {"WORKER__LEASE_SECOND": "1"}))

    meant = "there is no such setting; did you mean WORKER__LEASE_SECONDS? WORKER__ has "
    said = rows["WORKER__LEASE_SECOND"]["fault"]
    assert said.startswith(meant)
    members = {name for name in rows if name.startswith("WORKER__")} - {"WORKER__LEASE_SECOND"}
    assert {f"WORKER__{name}" for name in said.removeprefix(meant).split(", ")} == members


def test_a_groups_member_that_is_near_to_nothing_is_told_with_all_members(
    laurel: Laurel, whole: dict[str, str]
) -> None:
    """Once: in the list of faults, and not beside it as well."""
    told = laurel("topics", "ensure", **whole, GATE__XYZ="1", WORKER__LEASE_SECOND="1").err
    assert "GATE__XYZ: there is no such setting. GATE__ has METRIC, " in told
    assert told.count("WORKER__LEASE_SECOND: ") == 1


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


def test_a_file_that_cannot_be_read_is_named(laurel: Laurel, whole: dict[str, str], example: Path) -> None:
    """Whoever runs the tests may read everything; a link to itself nobody can."""
    path = example / "models" / "v1.yaml"
    path.unlink()
    path.symlink_to(path.name)

    ended = laurel("config", "check", **whole)

    assert (ended.code, "let this user read it" in ended.err) == (Exit.NO, True)
    assert "models/v1.yaml" in ended.err
    assert "TryLater" not in ended.err


def test_a_folder_without_configuration_is_a_fault(laurel: Laurel, whole: dict[str, str]) -> None:
    ended = laurel("config", "check", **whole)

    assert ended.code == Exit.NO
    assert "active_config.yaml" in ended.out


def test_a_format_without_a_promised_time_is_refused_in_a_contract_that_was_not_used(
    laurel: Laurel, whole: dict[str, str], example: Path
) -> None:
    contract = example / "data_contracts" / "v1.yaml"
    text = contract.read_text(encoding="utf-8")
    slow = "Neighborhood: {type: string, format: '(?=N)[a-z]+'"
    contract.write_text(text.replace("Neighborhood: {type: string", slow, 1), encoding="utf-8")
    nowhere = {"DATABASE_URL": "postgresql://u:p@127.0.0.1:1/none"}
    ended = laurel("config", "check", "--json", **whole | nowhere)

    assert ended.code == Exit.NO
    [fault] = [one for one in ended.json["faults"] if "linear time" in one["message"]]
    assert (fault["code"], fault["file"]) == ("bad_config", "data_contracts/v1.yaml")
    assert "look-around" in fault["message"]


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
    for name in ("v10.yml", "v05.yaml"):
        (example / "models" / name).write_text("version: 10\n", encoding="utf-8")
    by_mae = laurel("config", "check", "--json", GATE__METRIC="mae", **whole)
    codes = [asked["code"] for asked in by_mae.json["questions"]]
    assert codes == ["period_is_a_date", "file_not_read", "file_not_read"]
    assert [asked["file"] for asked in by_mae.json["questions"][1:]] == ["models/v05.yaml", "models/v10.yml"]


def test_a_check_needs_nothing_but_the_folder(laurel: Laurel, example: Path) -> None:
    """By its argument or by its setting, and whatever else is set."""
    by_argument = laurel("config", "check", "config", DATABASE_URL="mysql://x", WORKER__LEASE_SECONDS="-1")
    by_setting = laurel("config", "check", CONFIG_ROOT=str(example))

    assert by_argument.code == by_setting.code == Exit.DONE, by_argument.err + by_setting.err
    assert laurel("config", "check", "nowhere").code == Exit.USAGE


def test_a_fault_is_told_as_a_pipeline_reads_it(laurel: Laurel, example: Path) -> None:
    (example / "models" / "v1.yaml").write_text("version: 1\nmodel: {type: no_such_type}\n", encoding="utf-8")

    ended = laurel("config", "check", "config")

    assert ended.code == Exit.NO
    assert any(line.startswith("config/models/v1.yaml:2: model.type: ") for line in ended.out.splitlines())
    assert laurel("config", "check", "config", "--json").json["faults"][0]["file"] == "models/v1.yaml"


def test_what_has_a_fault_is_not_listed_as_usable(laurel: Laurel, example: Path) -> None:
    """A param that the estimator does not know, and files that name a contract which is broken."""
    (example / "models" / "v3.yaml").write_text(
        "version: 3\nmodel: {type: ridge, params: {alfa: 1}}\n", encoding="utf-8"
    )
    found = laurel("config", "check", "config", "--json").json
    assert found["versions"] == {"data_contracts": [1], "splits": [1], "features": [1], "models": [1, 2]}

    (example / "data_contracts" / "v1.yaml").write_text("version: 1\ncolumns: {}\n", encoding="utf-8")
    found = laurel("config", "check", "config", "--json").json
    assert found["versions"] == {"data_contracts": [], "splits": [], "features": [], "models": [1, 2]}


@pytest.fixture
def master(example: Path) -> Path:
    path = example.parent / "master.parquet"
    shutil.copyfile(EXAMPLE / "data" / "ames.parquet", path)
    return path


def test_a_master_that_the_defaults_can_learn_from_is_said_to_be(
    laurel: Laurel, example: Path, master: Path
) -> None:
    ended = laurel("config", "check", example, "--master", master)

    assert ended.code == Exit.DONE, ended.out
    assert "2930 rows satisfy the data contract" in ended.out
    assert {path.name for path in example.parent.iterdir()} == {"config", "master.parquet"}


def test_a_master_that_breaks_the_contract_is_told(laurel: Laurel, example: Path, master: Path) -> None:
    frame = pl.read_parquet(master)
    frame.with_columns(pl.lit(-1).alias("Sale_Price")).write_parquet(master)

    ended = laurel("config", "check", example, "--master", master)

    assert ended.code == Exit.NO
    assert f"{master}: Sale_Price: min (2930)" in ended.out
    found = laurel("config", "check", example, "--master", master, "--json").json
    assert found["master"]["faults"]
    assert found["versions"]["models"] == []


def test_a_model_that_could_not_learn_from_the_master_is_not_usable_for_it(
    laurel: Laurel, example: Path, master: Path
) -> None:
    """Nulls that nobody imputes: one estimator takes them, the other refuses the whole fit."""
    features = example / "features" / "v1.yaml"
    text = features.read_text(encoding="utf-8")
    old, new = "Lot_Frontage: {type: numeric, impute: median,", "Lot_Frontage: {type: numeric,"
    features.write_text(text.replace(old, new), encoding="utf-8")
    for version, kind in ((1, "hist_gradient_boosting"), (2, "ridge"), (3, "ridge")):
        (example / "models" / f"v{version}.yaml").write_text(
            f"version: {version}\nmodel: {{type: {kind}}}\n", encoding="utf-8"
        )
    frame = pl.read_parquet(master)
    half = pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.col("Lot_Frontage"))
    frame.with_columns(half.alias("Lot_Frontage")).write_parquet(master)

    ended = laurel("config", "check", example, "--master", master)
    found = laurel("config", "check", example, "--master", master, "--json").json

    assert ended.code == Exit.DONE, ended.out
    said = "models/v2.yaml cannot learn from it: column 'Lot_Frontage' is null in "
    assert said in ended.out, ended.out
    assert found["versions"]["models"] == [1]


def test_a_file_that_is_no_parquet_is_a_sentence(laurel: Laurel, example: Path, master: Path) -> None:
    master.write_text("a,b\n1,2\n", encoding="utf-8")

    ended = laurel("config", "check", example, "--master", master)

    assert ended.code == Exit.NO
    assert str(master) in ended.err
