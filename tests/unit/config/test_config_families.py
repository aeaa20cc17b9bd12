"""Versioned files become one consistent configuration, or every reason why not, with file and line."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from domain.errors import NeverRetry
from domain.faults import Fault
from domain.model_types import Estimator
from domain.resolved_config import ResolvedConfig
from domain.values import AskedVersions, VersionTriple
from service.adapters.files.config_families import FileConfigFamilies
from tests.worlds.synthetic import CONFIG_FILES, write_world

Asked = dict[str, int]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_world(tmp_path, rows=1).config_root


async def resolve(root: Path, **asked: int) -> ResolvedConfig:
    found = await FileConfigFamilies(root).resolve(AskedVersions(**asked))
    assert isinstance(found, ResolvedConfig), found
    return found


async def faults(root: Path, **asked: int) -> list[Fault]:
    found = await FileConfigFamilies(root).resolve(AskedVersions(**asked))
    assert not isinstance(found, ResolvedConfig)
    return list(found)


async def every_fault(root: Path) -> list[Fault]:
    return [fault async for file in FileConfigFamilies(root).judged() for fault in file.faults]


async def usable_versions(root: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    async for file in FileConfigFamilies(root).judged():
        if not file.faults:
            found.setdefault(file.use.family, []).append(file.use.name)
    return found


def edit(root: Path, name: str, change: Callable[[str], str]) -> None:
    (root / name).write_text(change((root / name).read_text()))


def replace(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return change


async def test_missing_versions_come_from_the_defaults(root: Path) -> None:
    """What was asked for stands."""
    assert (await resolve(root)).triple == VersionTriple(split_version=1, feature_version=1, model_version=1)
    asked = await resolve(root, split_version=3, model_version=4)
    assert asked.triple == VersionTriple(split_version=3, feature_version=1, model_version=4)
    assert (asked.split.version, asked.model.version) == (3, 4)


async def test_a_complete_request_does_not_need_the_defaults(root: Path) -> None:
    """A broken active_config.yaml stops only those who left something to it."""
    (root / "active_config.yaml").write_text("training_defaults: NO\n")
    assert await resolve(root, split_version=1, feature_version=2, model_version=3)
    with pytest.raises(NeverRetry) as caught:
        await FileConfigFamilies(root).resolve(AskedVersions(split_version=1, feature_version=2))
    assert caught.value.reason == "bad_config"
    assert "active_config.yaml:1" in caught.value.message


async def test_digests_are_those_of_the_files(root: Path) -> None:
    """Over all bytes: a comment that was added makes another file."""
    config = await resolve(root, split_version=2, model_version=3)
    for use in config.uses():
        data = (root / use.family / f"{use.name}.yaml").read_bytes()
        assert use.sha256 == hashlib.sha256(data).hexdigest()
    edit(root, "models/v3.yaml", lambda text: text + "# later\n")
    again = await resolve(root, split_version=2, model_version=3)
    changed = [one.family for one, two in zip(config.uses(), again.uses(), strict=True) if one != two]
    assert changed == ["models"]
    assert again.model == config.model


async def test_the_frozen_form_survives_a_store_that_sorts_its_keys(root: Path) -> None:
    """The order of the features is the model's column order."""
    config = await resolve(root)
    stored = json.dumps(json.loads(config.model_dump_json()), sort_keys=True)
    thawed = ResolvedConfig.model_validate_json(stored)
    assert thawed == config
    assert thawed.features.columns == config.features.columns
    assert thawed.features.columns[:3] == ("slope", "area", "floors")


async def test_versions_that_do_not_exist_are_named_with_those_that_do(root: Path) -> None:
    """All of them at once; a file that cannot be used is not offered."""
    (root / "splits" / "v4.yaml").write_text("version: 4\n")
    (root / "splits" / "v05.yaml").write_text(CONFIG_FILES["splits/v1.yaml"])
    (root / "splits" / "vx.yaml").write_text("")
    found = await faults(root, split_version=9, feature_version=8, model_version=7)
    assert [(fault.code, fault.field, fault.allowed) for fault in found] == [
        ("unknown_version", "split_version", "1, 2, 3"),
        ("unknown_version", "feature_version", "1, 2"),
        ("unknown_version", "model_version", "1, 2, 3, 4"),
    ]
    assert await usable_versions(root) == {
        "data_contracts": ["v1"],
        "splits": ["v1", "v2", "v3"],
        "features": ["v1", "v2"],
        "models": ["v1", "v2", "v3", "v4"],
    }


async def test_a_contract_that_does_not_exist_is_a_fault_of_the_file_that_names_it(root: Path) -> None:
    """With the line of its number."""
    edit(root, "splits/v1.yaml", replace("data_contract: 1", "data_contract: 6"))
    found = (await faults(root))[0]
    assert (found.code, found.file, found.line, found.allowed) == (
        "unknown_version",
        "splits/v1.yaml",
        2,
        "1",
    )


@pytest.mark.parametrize(
    ("name", "old", "new", "field", "line", "part"),
    [
        ("models/v1", "version: 1", "version: 2",
         "version", 1, "its name says 1"),
        ("models/v1", "version: 1", "version: '1'",
         "version", 1, "not an integer"),
        ("models/v1", "version: 1", "version: 0x1",
         "version", 1, "says 0x1"),
        ("splits/v1", "data_contract: 1", "data_contract: +1",
         "data_contract", 2, "says +1"),
        ("features/v1", "data_contract: 1", "data_contract: 0b1",
         "data_contract", 2, "says 0b1"),
        ("models/v1", "version: 1\n", "",
         "version", 1, "missing"),
        ("models/v1", "ridge", "svm",
         "model.type", 3, "svm"),
        ("models/v1", "params:", "parms:",
         "model.parms", 4, "no such field"),
        ("splits/v1", "data_contract: 1", "data_contract: true",
         "data_contract", 2, "integer"),
        ("splits/v1", "'NO'", "NO",
         "test_localities.1", 6, "YAML reads a bare NO as False"),
        ("splits/v1", "min: 2014", "min: 1e5",
         "reference_test_period.min", 7, "YAML reads 1e5 as text"),
        ("splits/v1", "min: 2014", "min: 2019",
         "reference_test_period", 7, "more than max"),
        ("splits/v1", "min: 2014", "min: .nan",
         "reference_test_period.min", 7, "finite"),
        ("splits/v1", "[1, 3, 500]", "[1, 0]",
         "moving_test_period.durations.1", 8, "greater"),
        ("splits/v1", "[1, 3, 500]", "[1, 1]",
         "moving_test_period.durations", 8, "twice"),
        ("splits/v1", "geographic\n", "random\n",
         "", 1, "geographic"),
        ("splits/v1", "periodic_column: year\n", "",
         "periodic_column", 1, "missing"),
        ("splits/v1", "periodic_column: year", "periodic_column: a/b",
         "", 1, "no file or metric can be named 'recent_1_a/b'"),
        ("splits/v2", "0.25", "1.5",
         "test_fraction", 6, "less than 1"),
        ("splits/v2", "0.25", "'0.25'",
         "test_fraction", 6, "number"),
        ("splits/v2", "periodic_column: year\n", "",
         "", 1, "needs periodic_column"),
        ("splits/v3", "moving_test_period: {", "rows_after: train\nmoving_test_period: {",
         "", 1, "no later rows"),
        ("features/v2", "impute: most_frequent", "impute: mean",
         "tabular_features.material.impute", 6, "by mean"),
        ("features/v2", "encoding: onehot", "encoding: target",
         "tabular_features.material.encoding", 6, "onehot"),
        ("features/v2", "{type: numeric}", "{}",
         "tabular_features.rooms", 4, "may not be empty"),
        ("features/v1", "clip: [30, 350]", "clip: [1e5, 350]",
         "tabular_features.area.clip.0", 7, "YAML reads 1e5"),
        ("data_contracts/v1", "min: 1950", "min: '1950'",
         "columns.year.min", 7, "integer"),
        ("data_contracts/v1", "'yes', 'no'", "yes, no",
         "columns.heated.allowed_values.0", 17, "bare yes as True"),
        ("data_contracts/v1", "'pröject-\\d{6,}'", "'(unclosed'",
         "columns.project_id.format", 5, "regular"),
        ("data_contracts/v1", "roof: {type: string}", "roof: {type: string, min: 1}",
         "columns.roof", 20, "for numbers"),
        ("data_contracts/v1", "distance: {type: float}", "distance: {type: float, format: x}",
         "columns.distance", 14, "for text"),
        ("data_contracts/v1", "min: 1950, max: 2100", "min: 1950, max: 1949",
         "columns.year", 7, "more than max"),
        ("data_contracts/v1", "allowed_values: [1, 2, 3]", "allowed_values: [1, '2']",
         "columns.grade", 21, "not of type int"),
        ("data_contracts/v1", "subset: [project_id]", "subset: [nothing]",
         "", 1, "deduplication: 'nothing'"),
        ("data_contracts/v1", "keep: last", "keep: newest",
         "deduplication.keep", 29, "'first', 'last' or False"),
        ("data_contracts/v1", "target: cost", "target: price",
         "", 1, "'price'"),
        ("data_contracts/v1", "target: cost", "target: locality",
         "", 1, "needs a number"),
        ("data_contracts/v1", "primary_key: [project_id]", "primary_key: [cost]",
         "", 1, "part of the primary key"),
        ("data_contracts/v1", "{type: string, non_nullable: true, f", "{type: text, non_nullable: true, f",
         "columns.project_id.type", 5, "string"),
    ],
)  # fmt: skip
async def test_a_mistake_in_a_file_is_told_with_field_and_line(
    root: Path, name: str, old: str, new: str, field: str, line: int, part: str
) -> None:
    """In the words of the file, never of the library that read it."""
    edit(root, f"{name}.yaml", replace(old, new))
    family, number = name.split("/v")
    asked = {"splits": "split_version", "features": "feature_version", "models": "model_version"}.get(family)
    found = await faults(root, **({asked: int(number)} if asked else {}))
    fault = next(fault for fault in found if fault.file == f"{name}.yaml")
    assert (fault.field, fault.line) == (field, line)
    assert part in fault.message
    assert "tuple" not in fault.message.lower()


@pytest.mark.parametrize(
    ("name", "old", "new", "field", "line", "code"),
    [
        ("splits/v1", "_column: locality", "_column: town", "geographic_column", 4, "column_missing"),
        ("splits/v1", "_column: locality", "_column: area", "geographic_column", 4, "bad_config"),
        ("splits/v1", "_column: locality", "_column: condition", "test_localities.0", 6, "bad_config"),
        ("splits/v1", "_column: year", "_column: material", "periodic_column", 5, "bad_config"),
        ("splits/v1", "'NO'", "47", "test_localities.1", 6, "bad_config"),
        ("features/v1", "  rooms:", "  romms:", "tabular_features.romms", 9, "column_missing"),
        ("features/v1", "  rooms:", "  cost:", "tabular_features.cost", 9, "bad_config"),
        ("features/v1", "  rooms:", "  photo:", "tabular_features.photo", 9, "bad_config"),
        ("features/v1", "  rooms:", "  locality:", "tabular_features.locality", 9, "bad_config"),
        ("features/v1", "[3, 2, 1]", "['3', '2', '1']", "tabular_features.grade", 21, "bad_config"),
        ("features/v1", "[locality, year]", "[town]", "split_columns", 3, "column_missing"),
    ],
)
async def test_what_does_not_fit_the_contract_is_told_with_its_line(
    root: Path, name: str, old: str, new: str, field: str, line: int, code: str
) -> None:
    """Columns that are not there, or not of a fitting type."""
    edit(root, f"{name}.yaml", replace(old, new))
    first = (await faults(root))[0]
    assert (first.file, first.field, first.line, first.code) == (f"{name}.yaml", field, line, code)
    assert first.allowed or code != "column_missing"


async def test_a_column_that_is_nearly_there_is_suggested(root: Path) -> None:
    """Most faults are typos."""
    edit(root, "features/v1.yaml", replace("  rooms:", "  romms:"))
    assert (await faults(root))[0].allowed == "rooms"


@pytest.mark.parametrize(("column", "part"), [("area", "type: float"), ("year", "may be null")])
async def test_a_key_that_cannot_be_hashed_is_refused(root: Path, column: str, part: str) -> None:
    """A float has many spellings, and a null no side."""
    edit(root, "splits/v2.yaml", replace("[project_id]", f"[{column}]"))
    assert any(part in fault.message for fault in await faults(root, split_version=2))


async def test_features_of_another_contract_are_refused_once(root: Path) -> None:
    """Their columns are not held against a contract that they were not made for."""
    text = CONFIG_FILES["data_contracts/v1.yaml"].replace("version: 1", "version: 2")
    (root / "data_contracts" / "v2.yaml").write_text(text)
    edit(root, "features/v1.yaml", replace("data_contract: 1", "data_contract: 2"))
    found = await faults(root)
    assert [(fault.code, fault.file, fault.line) for fault in found] == [
        ("contracts_differ", "features/v1.yaml", 2)
    ]


async def test_all_faults_of_all_files_come_at_once(root: Path) -> None:
    """Unreadable files do not hide what the others have wrong."""
    edit(root, "splits/v1.yaml", replace("'NO'", "47"))
    edit(root, "features/v1.yaml", replace("  rooms:", "  romms:"))
    edit(root, "models/v1.yaml", replace("alpha: 1.0", "alpha: 1.0, alpha: 2.0"))
    assert {fault.file for fault in await faults(root)} == {
        "splits/v1.yaml",
        "features/v1.yaml",
        "models/v1.yaml",
    }


@pytest.mark.parametrize(
    ("name", "old", "new", "meant", "some"),
    [
        ("models/v1", "params:", "parms:", "params", "type, params, target_transform"),
        ("models/v1", "model:", "modl:", "model", "version, model"),
        ("splits/v1", "durations:", "duration:", "durations", "durations"),
        ("splits/v1", "test_localities:", "test_localites:", "test_localities", "geographic_column"),
        ("features/v1", "clip:", "clp:", "clip", "type, impute, clip, scaler"),
        ("features/v1", "encoding: onehot", "encodig: onehot", "encoding", "type, impute, encoding, order"),
        ("data_contracts/v1", "min: 1950", "mn: 1950", "min", "type, non_nullable, min, max"),
        ("data_contracts/v1", "keep: last", "kep: last", "keep", "subset, keep"),
    ],
)
async def test_a_misspelt_key_is_told_with_those_that_may_stand_there_and_the_nearest(
    root: Path, name: str, old: str, new: str, meant: str, some: str
) -> None:
    """And is the file's only fault: what was meant is not missing besides."""
    edit(root, f"{name}.yaml", replace(old, new))
    (fault,) = [fault for fault in await every_fault(root) if fault.file == f"{name}.yaml"]
    assert (fault.code, fault.field.rpartition(".")[2]) == ("unknown_field", new.partition(":")[0])
    assert fault.message.endswith(f"(did you mean {meant}?)")
    assert some in (fault.allowed or "")


async def test_a_key_that_is_near_to_nothing_lists_what_may_stand_there(root: Path) -> None:
    edit(root, "models/v1.yaml", replace("version: 1", "version: 1\nowner: me"))
    (fault,) = await faults(root)
    assert (fault.message, fault.allowed) == ("owner: there is no such field", "version, model")


async def test_what_a_misspelt_key_hides_is_told_at_once_with_it(root: Path) -> None:
    """Nobody corrects one line to be shown the next."""
    edit(root, "models/v1.yaml", replace("model:", "modl:"))
    edit(root, "models/v1.yaml", replace("params:", "parms:"))
    edit(root, "models/v1.yaml", replace("version: 1", "version: 7"))
    edit(root, "features/v1.yaml", replace("  rooms:", "  romms:"))
    edit(root, "features/v1.yaml", replace("clip:", "clp:"))

    async def refuse(model: Estimator) -> Sequence[Fault]:
        return [Fault(code="bad_param", field=f"model.params.{name}", message=name) for name in model.params]

    found = await FileConfigFamilies(root, estimator_faults=refuse).resolve(AskedVersions())
    assert not isinstance(found, ResolvedConfig)
    assert {(fault.file, fault.line, fault.field) for fault in found} == {
        ("models/v1.yaml", 1, "version"),
        ("models/v1.yaml", 2, "modl"),
        ("models/v1.yaml", 4, "model.parms"),
        ("models/v1.yaml", 4, "model.params.alpha"),
        ("features/v1.yaml", 7, "tabular_features.area.clp"),
        ("features/v1.yaml", 9, "tabular_features.romms"),
    }


async def test_params_are_judged_beside_a_field_that_cannot_be_used(root: Path) -> None:
    edit(root, "models/v4.yaml", replace("log1p", "sqrt"))
    asked: list[Estimator] = []

    async def check(model: Estimator) -> Sequence[Fault]:
        asked.append(model)
        return [Fault(code="bad_param", field="model.params", message="none of them")]

    found = await FileConfigFamilies(root, estimator_faults=check).resolve(AskedVersions(model_version=4))
    assert not isinstance(found, ResolvedConfig)
    assert [fault.field for fault in found] == ["model.target_transform", "model.params"]
    assert len(asked) == 1


async def test_every_file_can_be_checked_whether_it_is_used_or_not(root: Path) -> None:
    """Each against the contract that it names, for the person who writes the next version."""
    assert await every_fault(root) == []
    edit(root, "splits/v3.yaml", replace("data_contract: 1", "data_contract: 6"))
    edit(root, "splits/v2.yaml", replace("[project_id]", "[area]"))
    edit(root, "features/v2.yaml", replace("  rooms:", "  romms:"))
    edit(root, "models/v4.yaml", replace("log1p", "sqrt"))
    found = await every_fault(root)
    assert {(fault.file, fault.line) for fault in found} == {
        ("splits/v3.yaml", 2),
        ("splits/v2.yaml", 4),
        ("features/v2.yaml", 4),
        ("models/v4.yaml", 5),
    }


async def test_params_are_asked_about_once_for_each_content_of_a_file(root: Path) -> None:
    """The estimator's answer gets file and line; a child process is not bothered twice."""
    asked: list[Estimator] = []

    async def check(model: Estimator) -> Sequence[Fault]:
        asked.append(model)
        return [Fault(code="bad_config", field="model.params.alpha", message="alpha is not for trees")]

    config = FileConfigFamilies(root, estimator_faults=check)
    for _ in range(3):
        found = await config.resolve(AskedVersions())
        assert not isinstance(found, ResolvedConfig)
        assert [(fault.file, fault.line) for fault in found] == [("models/v1.yaml", 4)]
    assert len(asked) == 1
    edit(root, "models/v1.yaml", replace("1.0", "2.0"))
    await config.resolve(AskedVersions())
    assert [model.params["alpha"] for model in asked] == [1.0, 2.0]


async def test_pipes_and_folders_in_the_place_of_a_file_are_no_versions(root: Path) -> None:
    """A pipe would be waited for for ever."""
    os.mkfifo(root / "models" / "v5.yaml")
    (root / "models" / "v6.yaml").mkdir()
    for version in (5, 6):
        assert [fault.code for fault in await faults(root, model_version=version)] == ["unknown_version"]


async def test_a_file_that_is_mended_is_read_anew(root: Path) -> None:
    """What was parsed is kept by content, not by name."""
    config = FileConfigFamilies(root)
    edit(root, "models/v1.yaml", replace("ridge", "svm"))
    assert not isinstance(await config.resolve(AskedVersions()), ResolvedConfig)
    edit(root, "models/v1.yaml", replace("svm", "ridge"))
    assert isinstance(await config.resolve(AskedVersions()), ResolvedConfig)


async def test_the_example_is_valid(tmp_path: Path) -> None:
    """Everything that a newcomer starts from."""
    del tmp_path
    root = Path(__file__).parents[3] / "config" / "example"
    for model in (1, 2, 3):
        assert (await resolve(root, model_version=model)).contract.target == "Sale_Price"


@pytest.mark.parametrize("name", ["", "  ", "\\t", "\\u00a0", "\\u200b", "a\\0b"])
async def test_a_feature_whose_name_no_server_could_be_asked_for_is_refused(root: Path, name: str) -> None:
    """By `laurel config check` and by a request, on its line; other columns may be called so."""
    edit(root, "data_contracts/v1.yaml", replace("  roof:", f'  "{name}": {{type: float}}\n  roof:'))
    assert await resolve(root)
    edit(root, "features/v2.yaml", replace("  area:", f'  "{name}": {{type: numeric}}\n  area:'))
    (fault,) = await faults(root, feature_version=2)
    assert (fault.code, fault.file, fault.line) == ("bad_config", "features/v2.yaml", 5)
    assert "no model could be served" in fault.message
    assert fault in await every_fault(root)


@pytest.mark.parametrize("name", [" a", "a ", "Área\\n(m²)", "^x$", "*", "a.b", "0", "None", "🏗", "e\\u0301"])
async def test_other_odd_names_are_taken(root: Path, name: str) -> None:
    """Spreadsheets make such names, and they reach a server and come back."""
    edit(root, "data_contracts/v1.yaml", replace("  roof:", f'  "{name}": {{type: float}}\n  roof:'))
    edit(root, "features/v2.yaml", replace("  area:", f'  "{name}": {{type: numeric}}\n  area:'))
    assert (await resolve(root, feature_version=2)).features.columns[1:2] != ("area",)
