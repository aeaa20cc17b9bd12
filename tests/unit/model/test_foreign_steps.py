"""A pipeline with a step that is not Laurel's predicts as a whole; its types still have to be trusted."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import skops.io
from sklearn.preprocessing import PowerTransformer, RobustScaler

from domain.errors import ModelUnusable
from domain.models import PackageFiles
from service.adapters.pyarrow.datasets import frame_of_rows
from service.adapters.sklearn.row_prediction import RowPredictor
from service.models.build import build_model
from service.models.load import ModelFolder
from service.models.verify import verify
from service.serving.loading_child import handed_over
from tests.worlds.small_models import FEATURES, dataset, definition, files_of, model_of, table, trained

ROBUST: Final = "sklearn.preprocessing._data.RobustScaler"
POWER: Final = "sklearn.preprocessing._data.PowerTransformer"
ROWS: Final = np.linspace(0.0, 100.0, 11).reshape(-1, 1)


def named_as_ours(pipeline: Any) -> None:
    """In the place and under the name of a scaler of ours."""
    _, steps, _ = next(one for one in pipeline[0].transformers_ if "scale" in one[1].named_steps)
    place = [name for name, _ in steps.steps].index("scale")
    steps.steps[place] = ("scale", RobustScaler().fit(ROWS))


def one_more_step(pipeline: Any) -> None:
    """After the steps of ours."""
    _, steps, _ = next(one for one in pipeline[0].transformers_ if "number" in one[1].named_steps)
    steps.steps.append(("spread", PowerTransformer().fit(ROWS)))


CHANGES: Final = {ROBUST: named_as_ours, POWER: one_more_step}


@pytest.fixture(params=CHANGES)
def foreign(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, PackageFiles]:
    """The foreign type, and a package of ours whose pipeline has it; its golden rows are its own."""
    data = dataset(tmp_path / "train.parquet", table())
    model = model_of(trained(tmp_path / "run", data, model=definition("ridge"), features=FEATURES))
    folder = ModelFolder(model.folder, model.manifest)
    pipeline, _ = folder.open()
    CHANGES[request.param](pipeline)
    golden = folder.travelling("golden_rows")
    golden["predictions"] = pipeline.predict(frame_of_rows(golden["rows"])).tolist()
    files = {"model.skops": skops.io.dumps(pipeline), "laurel/golden_rows.json": json.dumps(golden).encode()}
    return request.param, _changed(model, files)


def _changed(model: PackageFiles, files: Mapping[str, bytes]) -> PackageFiles:
    for name, content in files.items():
        Path(model.folder, name).write_bytes(content)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return files_of(model.folder, {**model.manifest, **digests})


def test_it_is_verified_and_answers_what_the_pipeline_predicts(foreign: tuple[str, PackageFiles]) -> None:
    name, model = foreign
    assert verify(model).golden_rows == 5
    folder = ModelFolder(model.folder, model.manifest)
    rows = folder.travelling("golden_rows")["rows"]
    expected = folder.open()[0].predict(frame_of_rows(rows)).tolist()
    built = build_model(folder=model.folder, manifest=model.manifest, trusted_types=[name])
    served = RowPredictor(*handed_over(built, [name]))
    assert served(rows) == expected
    assert [served([row])[0] for row in rows] == pytest.approx(expected)


def test_a_server_takes_its_type_from_the_operator_alone(foreign: tuple[str, PackageFiles]) -> None:
    name, model = foreign
    built = build_model(folder=model.folder, manifest=model.manifest, trusted_types=[])
    with pytest.raises(ModelUnusable) as refusal:
        handed_over(built, [])
    assert refusal.value.reason == "untrusted_type"
    assert name in refusal.value.message


def test_what_it_cannot_predict_is_told(foreign: tuple[str, PackageFiles]) -> None:
    _, model = foreign
    predict = RowPredictor.of(ModelFolder(model.folder, model.manifest).open()[0])
    with pytest.raises(ModelUnusable) as refusal:
        predict([dict.fromkeys(FEATURES, "neither a number nor a place")])
    assert refusal.value.reason == "cannot_predict"
