"""A trained model as others see it: in a folder, in the tracker, in the registry."""

import re
from collections.abc import Mapping
from typing import Final

from domain.metrics import Score
from domain.package_tags import DIGEST_TAG, GENERATION_TAG
from domain.values import Sha256, Value, VersionTriple, is_sha256

_VERSION: Final = re.compile(r"[1-9][0-9]{0,5}")
_GENERATION: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


class PackageFiles(Value):
    """A complete MLflow model folder on disk.

    `manifest` maps each file's relative path to its sha256; `digest` seals the manifest.
    """

    folder: str
    manifest: Mapping[str, Sha256]
    digest: Sha256


class ModelPackage(PackageFiles):
    """The package and what is known of the fit.

    `params` are the estimator's under their bare names. `train_score` is on the train part.
    """

    params: Mapping[str, object]
    train_score: Score
    seconds: float


class OpenedRun(Value):
    """An MLflow run of record."""

    mlflow_run_id: str
    experiment_id: str
    artifact_uri: str


class RecordedRun(Value):
    """What the record says of a run, regardless of who made it."""

    opened: OpenedRun
    params: Mapping[str, str]
    tags: Mapping[str, str]

    @property
    def triple(self) -> VersionTriple | None:
        """The three versions, if the run has all of them as numbers."""
        named = {name: self.params.get(name, "") for name in VersionTriple.model_fields}
        if all(_VERSION.fullmatch(text) for text in named.values()):
            return VersionTriple(**{name: int(text) for name, text in named.items()})
        return None


class LoggedModel(Value):
    """An MLflow 3 logged model; `uri` (models:/m-…) is a registered version's source."""

    model_id: str
    uri: str
    artifact_uri: str


class ModelRecord(Value):
    """Where a model is on record: its own files say so, and plain MLflow readers rely on it."""

    mlflow_run_id: str
    model_id: str
    artifact_uri: str


class RegisteredVersion(Value):
    """A version in the registry. `source` may be empty or dead in a registry that others filled.

    `registered_by` is the user whom the registry names, if it does.
    """

    version: int
    source: str
    mlflow_run_id: str | None
    tags: Mapping[str, str]
    registered_by: str | None = None

    @property
    def generation(self) -> int:
        """The generation that its tag names; 0 without one that can be read."""
        text = self.tags.get(GENERATION_TAG, "")
        return int(text) if _GENERATION.fullmatch(text) else 0

    @property
    def digest(self) -> str | None:
        """The digest of its files, as its tag names it; None without one that can be read."""
        text = self.tags.get(DIGEST_TAG, "")
        return text if is_sha256(text) else None


class RegisteredModel(Value):
    """A registered model. `ledger_id` names the ledger that it belongs to; None: nobody marked it yet.

    `newest` is a version of it that came with the answer, if the registry tells one.
    """

    alias_version: int | None
    ledger_id: str | None
    newest: RegisteredVersion | None = None
