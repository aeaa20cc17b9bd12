"""Whether a version's files are all there and are the recorded ones, to the last byte; nothing is loaded."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from domain.datasets import seal
from domain.errors import ModelUnusable
from domain.models import RegisteredVersion
from domain.package_tags import recorded_manifest
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.model_cache import ModelCache
from service.adapters.mlflow.model_transfer import fetch_model
from service.promotion.returnable import CheckFiles


def files_check(access: MlflowAccess) -> CheckFiles:
    """Make the check. It raises ModelUnusable, TryLater."""

    async def check(version: RegisteredVersion) -> None:
        await asyncio.to_thread(_fetch, version, access)

    return check


def _fetch(version: RegisteredVersion, access: MlflowAccess) -> None:
    manifest = recorded_manifest(version.tags)
    if manifest is not None and version.digest not in {None, seal(manifest)}:
        raise ModelUnusable(
            "manifest_mismatch",
            f"the manifest of version {version.version} is not the one whose digest it bears",
            recorded=version.digest,
        )
    with TemporaryDirectory(prefix="laurel-check-") as folder:
        fetch_model(version.source, manifest, access, ModelCache(Path(folder)))
