"""Draw the pictures of an evaluation and write the model card; nothing waits for them."""

from pathlib import Path

from domain.job_results import DrawnFiles
from service.adapters.files.atomic import AtomicFiles
from service.adapters.matplotlib.plots import (
    Predictions,
    candidate_vs_champion,
    error_by_locality,
    predicted_vs_actual,
    residuals,
)
from service.adapters.pyarrow.datasets import read_predictions
from service.lifecycle.steps.jobs import DrawJob


def draw(job: DrawJob) -> DrawnFiles:
    """Draw what two models predicted for one dataset and write the files. Safe to repeat."""
    judged = f"judged by {job.card.judged}" if job.card and job.card.judged else ""
    champion = None if job.champion is None else _read(job.champion)
    plots = _plots(_read(job.candidate), champion, job.target, judged)
    files = {f"{name}.png": png for name, png in plots.items()}
    if job.card is not None:
        text = job.card.model_copy(update={"plots": tuple(sorted(files))}).markdown()
        files["model_card.md"] = text.encode()
    writer = AtomicFiles()
    for name, data in files.items():
        writer.replace(job.folder / name, data)
    return DrawnFiles(files={name: str(job.folder / name) for name in files})


def _plots(
    candidate: Predictions, champion: Predictions | None, target: str, judged: str
) -> dict[str, bytes]:
    drawn = {
        "predicted_vs_actual": predicted_vs_actual(candidate, target, judged),
        "residuals": residuals(candidate, target),
    }
    if candidate.locality is not None:
        drawn["error_by_locality"] = error_by_locality(candidate, champion, target)
    if champion is not None:
        drawn["candidate_vs_champion"] = candidate_vs_champion(candidate, champion, target, judged)
    return drawn


def _read(path: str) -> Predictions:
    return Predictions(*read_predictions(Path(path)))
