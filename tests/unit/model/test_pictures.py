"""The pictures of an evaluation are PNGs of what was predicted, and the card stands beside them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from domain.model_card import ModelCard
from service.adapters.pyarrow.datasets import write_predictions
from service.lifecycle.steps.jobs import DrawJob
from service.lifecycle.steps.plots_job import draw
from service.lifecycle.steps.warm_up_job import warm_up
from tests.worlds.small_models import FEATURES, dataset, definition, schema, scored, table, trained

PNG = b"\x89PNG\r\n\x1a\n"
CARD = ModelCard.model_validate(
    {
        "model_name": "price",
        "run_id": "run-1",
        "created_at": "2026-01-01T00:00:00Z",
        "versions": {"split_version": 1, "feature_version": 1, "model_version": 1},
        "model": definition("ridge")["model"],
        "features": schema(FEATURES),
        "target": "price",
        "scores": {},
    }
)
ALONE = {"predicted_vs_actual.png", "residuals.png", "error_by_locality.png"}


def test_a_candidate_is_drawn_alone_and_beside_a_champion(tmp_path: Path) -> None:
    data = dataset(tmp_path / "train.parquet", table())
    candidate, champion = (
        scored(
            trained(tmp_path / kind, data, model=definition(kind)),
            data,
            predictions_folder=str(tmp_path / kind),
            locality_column="place",
        )["predictions"]["reference"]
        for kind in ("ridge", "random_forest")
    )
    alone = DrawJob(candidate=candidate, champion=None, target="price", folder=tmp_path / "alone")
    drawn = draw(replace(alone, champion=champion, folder=tmp_path / "both", card=CARD)).files
    assert set(draw(alone).files) == ALONE
    assert set(drawn) == {*ALONE, "candidate_vs_champion.png", "model_card.md"}
    pictures = {name: Path(path).read_bytes() for name, path in drawn.items()}
    card = pictures.pop("model_card.md").decode()
    assert all(picture.startswith(PNG) and len(picture) < 100_000 for picture in pictures.values())
    assert all(f"]({name})" in card for name in pictures)


def test_the_same_predictions_make_the_same_picture(tmp_path: Path) -> None:
    rows = np.linspace(1.0, 9.0, 40)
    write_predictions(tmp_path / "rows.parquet", rows, rows + 1, None)
    drawn = [
        draw(
            DrawJob(
                candidate=str(tmp_path / "rows.parquet"),
                champion=None,
                target="price",
                folder=tmp_path / name,
            )
        )
        for name in ("one", "two")
    ]
    one, two = (Path(answer.files["residuals.png"]).read_bytes() for answer in drawn)
    assert one == two


@pytest.mark.parametrize("rows", [0, 1, 12_000])
def test_any_number_of_rows_any_name_and_any_number_can_be_drawn(rows: int, tmp_path: Path) -> None:
    truth = np.arange(rows, dtype=float)
    prediction = np.where(truth % 7 == 3, np.nan, truth * 2)
    places = pa.chunked_array(
        [pa.array([("$x_1$", "長野", None, "a" * 300)[row % 4] for row in range(rows)])]
    )
    write_predictions(tmp_path / "rows.parquet", truth, prediction, places.cast(pa.string()))
    path = str(tmp_path / "rows.parquet")
    job = DrawJob(candidate=path, champion=path, target="cost in $", folder=tmp_path / "drawn")
    assert len(draw(job).files) == 4


def test_a_child_warms_up_with_a_whole_lifecycle_and_what_others_add(tmp_path: Path) -> None:
    assert warm_up(also=["gc:collect"])["seconds"] > 0
    assert list(tmp_path.iterdir()) == []
