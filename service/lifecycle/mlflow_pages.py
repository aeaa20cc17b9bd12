"""Where MLflow shows things: addresses that lead a person to the very page."""

from collections.abc import Iterator
from urllib.parse import quote

from domain.models import OpenedRun
from domain.run import Run


def experiment_page(tracking_uri: str, experiment_id: str) -> str:
    """All runs of an experiment."""
    return f"{tracking_uri}/#/experiments/{experiment_id}"


def run_page(tracking_uri: str, opened: OpenedRun) -> str:
    """One run."""
    return f"{experiment_page(tracking_uri, opened.experiment_id)}/runs/{opened.mlflow_run_id}"


def model_page(tracking_uri: str, model_name: str) -> str:
    """All versions of a registered model."""
    return f"{tracking_uri}/#/models/{quote(model_name, safe='')}"


def version_page(tracking_uri: str, model_name: str, version: int) -> str:
    """One version of a registered model."""
    return f"{model_page(tracking_uri, model_name)}/versions/{version}"


def pages_of(run: Run, tracking_uri: str) -> Iterator[tuple[str, str]]:
    """What MLflow shows of a run, by name: its experiment, the run itself, the version that it became."""
    record = run.record
    if opened := record.opened:
        yield "experiment", experiment_page(tracking_uri, opened.experiment_id)
        yield "mlflow run page", run_page(tracking_uri, opened)
    if record.decided and record.decided.version:
        yield "version page", version_page(tracking_uri, run.model_name, record.decided.version)
