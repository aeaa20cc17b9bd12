"""Fetch a registered version's files into the cache of this machine: a task of a warm child."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.model_cache import ModelCache
from service.adapters.mlflow.model_transfer import LARGEST_MODEL, fetch_model


def fetch(
    source: str,
    manifest: Mapping[str, str] | None,
    access: MlflowAccess,
    cache_folder: str,
    largest_bytes: int = LARGEST_MODEL,
) -> dict[str, Any]:
    """Return `folder`, `manifest` and `digest` of the checked files. Raises ModelUnusable for any others."""
    fetched = fetch_model(source, manifest, access, ModelCache(Path(cache_folder)), largest_bytes)
    return {"folder": str(fetched.folder), "manifest": fetched.manifest, "digest": fetched.digest}
