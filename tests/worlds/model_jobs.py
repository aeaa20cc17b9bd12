"""The jobs of the model package, asked for with plain arguments."""

from collections.abc import Mapping, Sequence

from domain.job_results import FetchedFiles
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.model_transfer import LARGEST_MODEL
from service.models import fetch as fetching
from service.models import upload as uploading
from service.models.jobs import FetchJob, UploadFilesJob, UploadJob, UploadTextsJob
from tests.worlds.small_models import files_of


def upload(
    folder: str,
    artifact_uri: str,
    manifest: Mapping[str, str],
    access: MlflowAccess,
    cache_folder: str,
    arrived: Mapping[str, str] | None = None,
) -> None:
    uploading.upload(
        UploadJob(
            package=files_of(folder, manifest),
            artifact_uri=artifact_uri,
            access=access,
            cache_folder=cache_folder,
            arrived=arrived,
        )
    )


def fetch(
    source: str,
    manifest: Mapping[str, str] | None,
    access: MlflowAccess,
    cache_folder: str,
    *,
    largest_bytes: int = LARGEST_MODEL,
) -> FetchedFiles:
    return fetching.fetch(
        FetchJob(
            source=source,
            manifest=manifest,
            access=access,
            cache_folder=cache_folder,
            largest_bytes=largest_bytes,
        )
    )


def upload_texts(artifact_uri: str, texts: Mapping[str, str], access: MlflowAccess) -> None:
    uploading.upload_texts(UploadTextsJob(artifact_uri=artifact_uri, texts=texts, access=access))


def upload_files(artifact_uri: str, folder: str, files: Sequence[str], access: MlflowAccess) -> None:
    uploading.upload_files(
        UploadFilesJob(artifact_uri=artifact_uri, folder=folder, files=tuple(files), access=access)
    )
