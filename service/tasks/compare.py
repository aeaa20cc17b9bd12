"""Compare: do two models say the same of every row of one dataset."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.comparison import same_predictions
from domain.metrics import Floats
from service.adapters.pyarrow.datasets import read_dataset
from service.tasks.model_folder import ModelFolder, open_model
from service.tasks.score import predict_rows

_NAME = "reference"


def compare(
    *,
    models: Sequence[Mapping[str, Any]],
    dataset: Mapping[str, Any],
    target: str,
    foreign_columns: Sequence[str] = (),
) -> dict[str, bool]:
    """Ask both `models` ({folder, manifest, foreign}) for the reference; the answer holds `same`.

    A model that this process holds is not read again. Raises NeverRetry and ModelUnusable as `score` does.
    """

    def predictions(model: Mapping[str, Any]) -> Floats:
        folder = ModelFolder(model["folder"], model["manifest"])
        loaded, _ = open_model(folder, allow_foreign=model["foreign"], foreign_columns=foreign_columns)
        table = read_dataset(dataset["path"], dataset["sha256"], _NAME, [*loaded.columns, target])
        return predict_rows(loaded, table, target, _NAME)[1]

    one, other = map(predictions, models)
    return {"same": same_predictions(one, other)}
