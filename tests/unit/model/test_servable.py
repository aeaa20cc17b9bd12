"""Before a candidate can win, it answers its golden rows as a server would: as JSON, alone and in a list."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import skops.io

from domain.errors import ModelUnusable
from domain.models import PackageFiles
from service.adapters.sklearn.loading import load_pipeline
from service.models.verify import verify
from tests.worlds.small_models import CONTRACT, FEATURES, Dataset, dataset, files_of, model_of, table, trained

IDS = {**FEATURES, "key": {"type": "categorical", "encoding": "onehot"}}
GOLDEN = "laurel/golden_rows.json"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Long ids, some of which are null."""
    rows = table()
    ids = [None if place % 9 == 0 else 2**60 + place % 4 for place in range(rows.num_rows)]
    rows = rows.set_column(0, "key", pa.array(ids, pa.int64()))
    return dataset(tmp_path_factory.mktemp("data") / "train.parquet", rows)


@pytest.fixture
def answer(data: Dataset, tmp_path: Path) -> dict[str, Any]:
    contract = {**CONTRACT, "columns": {**CONTRACT["columns"], "id": {"type": "int"}}, "primary_key": ["id"]}
    return trained(tmp_path / "run", data, features=IDS, contract=contract)


def changed(answer: Mapping[str, Any], files: Mapping[str, bytes]) -> PackageFiles:
    """The same package with other files, in a manifest that says so."""
    model = model_of(answer)
    for name, content in files.items():
        Path(model.folder, name).write_bytes(content)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return files_of(model.folder, {**model.manifest, **digests})


def golden(answer: Mapping[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(Path(model_of(answer).folder, GOLDEN).read_bytes())
    return read


def refusal_of(model: PackageFiles) -> ModelUnusable:
    with pytest.raises(ModelUnusable) as refusal:
        verify(model)
    assert refusal.value.reason == "not_servable"
    return refusal.value


def test_long_ids_beside_nulls_are_among_the_golden_rows_and_are_answered(answer: dict[str, Any]) -> None:
    keys = {row["key"] for row in golden(answer)["rows"]}
    assert None in keys
    assert 2**60 + 3 in keys
    assert verify(model_of(answer)).golden_rows == 5


def test_a_value_that_requests_refuse_is_told_with_its_column_and_row(answer: dict[str, Any]) -> None:
    found = golden(answer)
    found["rows"][2]["size"] = "wide"
    refused = refusal_of(changed(answer, {GOLDEN: json.dumps(found).encode()}))
    assert (refused.facts["column"], refused.facts["row"]) == ("size", 2)
    assert "'size'" in refused.message
    assert '"wide"' in refused.message


def test_a_category_that_is_prepared_otherwise_than_in_training_is_told_with_its_column(
    answer: dict[str, Any],
) -> None:
    """An encoder that has forgotten which digits it knew."""
    skops_file = Path(model_of(answer).folder, "model.skops")
    pipeline = load_pipeline(skops_file.read_bytes(), "ridge")
    encoder = pipeline[0].transformers_[-1][1].named_steps["encode"]
    encoder.categories_[0][:2] = encoder.categories_[0][1::-1].copy()
    refused = refusal_of(changed(answer, {"model.skops": skops.io.dumps(pipeline)}))
    assert refused.facts["column"] == "key"
    assert "golden row" in refused.message


def test_another_number_that_no_column_explains_is_told_with_its_row_alone(answer: dict[str, Any]) -> None:
    found = golden(answer)
    found["predictions"][1] += 1
    refused = refusal_of(changed(answer, {GOLDEN: json.dumps(found).encode()}))
    assert refused.facts == {"row": 1}


@pytest.mark.parametrize(
    ("files", "because"),
    [
        ({"code.py": b"1"}, "foreign_model"),
        ({"laurel/training_ranges.json": b"[1]"}, "unloadable_model"),
        ({GOLDEN: b'{"rows": [{"size": 1.0}], "predictions": [1.0]}'}, None),
    ],
)
def test_what_a_servers_loader_refuses_is_not_servable(
    answer: dict[str, Any], files: dict[str, bytes], because: str | None
) -> None:
    """With the loader's own reason among the facts."""
    assert refusal_of(changed(answer, files)).facts.get("because") == because
