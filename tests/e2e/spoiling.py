"""Tasks of a worker whose forests come out so that no server could serve them."""

from typing import Any
from unittest.mock import patch

from domain.job_results import TrainedPackage
from service.lifecycle.steps import train_job as product
from service.lifecycle.steps.jobs import TrainJob
from service.models.golden_rows import golden_rows


def train(job: TrainJob) -> TrainedPackage:
    """Train; of a random forest the package holds a row that requests refuse."""
    if job.model.model.type != "random_forest":
        return product.train(job)
    with patch.object(product, "golden_rows", _spoiled):
        return product.train(job)


def _spoiled(*given: Any) -> dict[str, Any]:
    golden = golden_rows(*given)
    golden["rows"][1]["area"] = "wide"
    return golden
