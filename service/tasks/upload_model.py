"""Upload a model's files, or texts, to the artifact store: tasks of a warm child."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from service.adapters.files.atomic import AtomicFiles
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.artifact_store import open_store, put_surely
from service.adapters.mlflow.model_cache import ModelCache
from service.adapters.mlflow.model_transfer import upload_model
from service.tasks.verify import begin_to_verify


def upload(
    folder: str,
    artifact_uri: str,
    manifest: Mapping[str, str],
    access: MlflowAccess,
    cache_folder: str,
    *,
    is_new: bool = False,
) -> None:
    """Upload the manifest's files from `folder` and see that all arrived. Safe to repeat.

    A model that is uploaded is verified next: that begins here, since the server takes most of the time.
    """
    begin_to_verify(folder, manifest)
    cache = ModelCache(Path(cache_folder))
    upload_model(Path(folder), artifact_uri, manifest, access, cache, is_new=is_new)


def upload_texts(artifact_uri: str, files: Mapping[str, str], access: MlflowAccess) -> None:
    """Store texts by path below an artifact URI, in whatever kind of store. Safe to repeat."""
    with TemporaryDirectory(prefix="laurel-texts-") as folder, open_store(artifact_uri, access) as store:
        for path, text in files.items():
            file = Path(folder, path)
            AtomicFiles().replace(file, text.encode())
            put_surely(store, path, file)


def upload_files(artifact_uri: str, folder: str, files: list[str], access: MlflowAccess) -> None:
    """Store files (pictures) by relative path from `folder`, below an artifact URI. Safe to repeat."""
    with open_store(artifact_uri, access) as store:
        for path in files:
            put_surely(store, path, Path(folder, path))
