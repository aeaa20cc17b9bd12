"""Every folder of this machine that a worker writes to, by the setting that names it."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from config.settings import Settings
from service.adapters.dvc.addresses import objects_below
from service.lifecycle.preflight import Written


def dvc_folders(settings: Settings) -> tuple[Path, str]:
    """The cache, and the remote's address, which may be a folder."""
    dvc = settings.data_root / "dvc"
    return settings.dvc.cache_folder or dvc / "cache", settings.dvc.remote_url or str(dvc / "remote")


def written_folders(settings: Settings) -> list[Written]:
    """The roots first; a folder below may be a mount, or another user's, of its own."""
    return [*dict.fromkeys(_written(settings))]


def _written(settings: Settings) -> Iterator[Written]:
    cache, remote = dvc_folders(settings)
    yield Written("CONFIG_ROOT", settings.config_root)
    yield Written("DATA_ROOT", settings.data_root)
    for below in ("runs", "splits", "cache/models"):
        yield Written("DATA_ROOT", settings.data_root / below)
    yield Written("DATA_ROOT", settings.data_root / "reference" / "tests", links=True)
    for folder in (cache / "laurel", objects_below(cache)):
        yield Written("DVC__CACHE_FOLDER", folder)
    if "://" not in remote:
        yield Written("DVC__REMOTE_URL", objects_below(Path(remote)))
    yield Written("TMPDIR", _temporary())


def _temporary() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:  # none of those that the system names can be written
        return Path(os.environ.get("TMPDIR", "/tmp"))  # noqa: S108 - it is named, not used
