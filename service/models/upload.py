"""Upload a model's files, or texts, to the artifact store: jobs of a warm child."""

from pathlib import Path
from tempfile import TemporaryDirectory

from service.adapters.files.atomic import AtomicFiles
from service.adapters.mlflow.artifact_store import open_store, put_surely
from service.adapters.mlflow.model_cache import ModelCache
from service.adapters.mlflow.model_transfer import upload_model
from service.models.jobs import UploadFilesJob, UploadJob, UploadTextsJob
from service.models.verify import begin_to_verify


def upload(job: UploadJob) -> None:
    """Upload the package's files and see that all arrived. Safe to repeat.

    A model that is uploaded is verified next: that begins here, since the server takes most of the time.
    """
    begin_to_verify(job.package)
    upload_model(
        Path(job.package.folder),
        job.artifact_uri,
        job.package.manifest,
        job.access,
        ModelCache(Path(job.cache_folder)),
        arrived=job.arrived,
    )


def upload_texts(job: UploadTextsJob) -> None:
    """Store texts in whatever kind of store. Safe to repeat."""
    with (
        TemporaryDirectory(prefix="laurel-texts-") as folder,
        open_store(job.artifact_uri, job.access) as store,
    ):
        for path, text in job.texts.items():
            file = Path(folder, path)
            AtomicFiles().replace(file, text.encode())
            put_surely(store, path, file)


def upload_files(job: UploadFilesJob) -> None:
    """Store files (pictures). Safe to repeat."""
    with open_store(job.artifact_uri, job.access) as store:
        for path in job.files:
            put_surely(store, path, Path(job.folder, path))
