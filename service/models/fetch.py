"""Fetch a registered version's files into the cache of this machine: a job of a warm child."""

from pathlib import Path

from domain.job_results import FetchedFiles
from service.adapters.mlflow.model_cache import ModelCache
from service.adapters.mlflow.model_transfer import fetch_model
from service.models.jobs import FetchJob


def fetch(job: FetchJob) -> FetchedFiles:
    """The checked files. Raises ModelUnusable for any others."""
    cache = ModelCache(Path(job.cache_folder))
    fetched = fetch_model(job.source, job.manifest, job.access, cache, job.largest_bytes)
    return FetchedFiles(folder=str(fetched.folder), manifest=fetched.manifest, digest=fetched.digest)
