"""The jobs of the model package: what a child is asked for, and which function answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Final

from domain.job_results import FetchedFiles, VerifiedPackage
from domain.models import PackageFiles
from domain.values import Sha256
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.model_transfer import LARGEST_MODEL
from service.processes.task_names import JobRef


@dataclass(frozen=True, kw_only=True)
class UploadJob:
    """Upload a package below `artifact_uri`.

    `arrived` are the digests of all that can be there, by path. None: nobody knows, and it is looked for.
    """

    package: PackageFiles
    artifact_uri: str
    access: MlflowAccess
    cache_folder: str
    arrived: Mapping[str, Sha256] | None = None


@dataclass(frozen=True, kw_only=True)
class UploadTextsJob:
    """Store texts by path below `artifact_uri`."""

    artifact_uri: str
    texts: Mapping[str, str]
    access: MlflowAccess


@dataclass(frozen=True, kw_only=True)
class UploadFilesJob:
    """Store files by relative path from `folder` below `artifact_uri`."""

    artifact_uri: str
    folder: str
    files: tuple[str, ...]
    access: MlflowAccess


@dataclass(frozen=True, kw_only=True)
class FetchJob:
    """Fetch a registered version's files; without a manifest they are those of a foreign model."""

    source: str
    manifest: Mapping[str, str] | None
    access: MlflowAccess
    cache_folder: str
    largest_bytes: int = LARGEST_MODEL


UPLOAD: Final = JobRef("service.models.upload:upload", takes=UploadJob, gives=NoneType)
UPLOAD_TEXTS: Final = JobRef("service.models.upload:upload_texts", takes=UploadTextsJob, gives=NoneType)
UPLOAD_FILES: Final = JobRef("service.models.upload:upload_files", takes=UploadFilesJob, gives=NoneType)
FETCH: Final = JobRef("service.models.fetch:fetch", takes=FetchJob, gives=FetchedFiles)
VERIFY: Final = JobRef("service.models.verify:verify", takes=PackageFiles, gives=VerifiedPackage)
