"""Compare: do two models say the same of every row of one dataset."""

from domain.arrays import Floats
from domain.comparison import same_predictions
from service.adapters.pyarrow.datasets import read_dataset
from service.lifecycle.steps.evaluate_job import predict_rows
from service.lifecycle.steps.jobs import CompareJob, ModelOnDisk
from service.models.load import ModelFolder, open_model

_NAME = "reference"


def compare(job: CompareJob) -> bool:
    """Ask both models for the reference: True when they say the same.

    A model that this process holds is not read again. Raises NeverRetry and ModelUnusable as `score` does.
    """
    return same_predictions(_predictions(job.candidate, job), _predictions(job.champion, job))


def _predictions(model: ModelOnDisk, job: CompareJob) -> Floats:
    folder = ModelFolder(model.folder, model.manifest)
    loaded, _ = open_model(folder, allow_foreign=model.foreign, foreign_columns=job.foreign_columns)
    columns = [*loaded.columns, job.target]
    table = read_dataset(job.reference.path, job.reference.sha256, _NAME, columns)
    return predict_rows(loaded, table, job.target, _NAME)[1]
