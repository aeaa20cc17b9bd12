"""Whether a version's files are all there and are the recorded ones, to the last byte; nothing is loaded."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

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
    with TemporaryDirectory(prefix="laurel-check-") as folder:
        fetch_model(version.source, recorded_manifest(version.tags), access, ModelCache(Path(folder)))
