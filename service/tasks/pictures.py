"""Draw the pictures of an evaluation and write the model card; nothing waits for them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from domain.model_card import ModelCard
from service.adapters.files.atomic import AtomicFiles
from service.adapters.matplotlib.pictures import (
    Predictions,
    candidate_vs_champion,
    error_by_locality,
    predicted_vs_actual,
    residuals,
)
from service.adapters.pyarrow.predictions import read_predictions
from service.tasks.documents import parse


def draw(
    *,
    candidate: str,
    champion: str | None,
    target: str,
    folder: str,
    card: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Draw what two models predicted for one dataset and write the files into `folder`.

    `candidate` and `champion` are files that `score` left (None: there is no champion); `card` is the JSON of
    a ModelCard, whose `pictures` are filled in here. The answer holds `files`: name → path. Safe to repeat.
    """
    pictures = _pictures(_read(candidate), None if champion is None else _read(champion), target)
    files = {f"{name}.png": png for name, png in pictures.items()}
    if card is not None:
        text = parse(ModelCard, {**card, "pictures": sorted(files)}).markdown()
        files["model_card.md"] = text.encode()
    writer = AtomicFiles()
    for name, data in files.items():
        writer.replace(Path(folder) / name, data)
    return {"files": {name: str(Path(folder) / name) for name in files}}


def _pictures(candidate: Predictions, champion: Predictions | None, target: str) -> dict[str, bytes]:
    drawn = {
        "predicted_vs_actual": predicted_vs_actual(candidate, target),
        "residuals": residuals(candidate, target),
    }
    if candidate.locality is not None:
        drawn["error_by_locality"] = error_by_locality(candidate, champion, target)
    if champion is not None:
        drawn["candidate_vs_champion"] = candidate_vs_champion(candidate, champion, target)
    return drawn


def _read(path: str) -> Predictions:
    return Predictions(*read_predictions(Path(path)))
