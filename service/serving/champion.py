"""The champion as the registry tells it: which version, and what its tags say that its files must be.

What was served last stands in a small file beside the cache: a server that starts while MLflow is down reads
it. The file only says what to load; the bytes are checked against its manifest again, and the golden rows
too.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import structlog
from pydantic import Field, ValidationError

from domain.datasets import seal
from domain.errors import ModelUnusable, TryLater
from domain.models import RegisteredVersion
from domain.package_tags import DIGEST_TAG, GENERATION_TAG, SIGNATURE_TAG, recorded_manifest
from domain.ports.model_registry import ModelRegistry
from domain.values import Sha256, Value
from service.adapters.files.atomic import AtomicFiles
from service.adapters.files.errors import read_small

_GENERATION: Final = re.compile(r"[1-9][0-9]{0,15}")


class RegisteredChampion(Value):
    """One registered version, and everything that its files are held against."""

    model_name: str
    version: int
    generation: int | None
    run_id: str | None
    source: str
    manifest: Mapping[str, Sha256] = Field(min_length=1)
    digest: Sha256
    signature: str | None


async def read_champion(registry: ModelRegistry, model_name: str) -> RegisteredChampion:
    """Read the alias once, then the tags of the version that it named, and where its source leads.

    Raises TryLater `no_champion` when there is no such alias, ModelUnusable for a version that cannot be
    served.
    """
    number = await registry.alias_version(model_name)
    if number is None:
        raise TryLater(
            "no_champion",
            f"{model_name} has no champion: no version holds the alias; the first promotion sets it",
            waiting_on="registry",
        )
    version = await registry.version(model_name, number)
    if version is None:
        raise TryLater(
            "version_missing",
            f"the alias names version {number} of {model_name}, which the registry does not have",
            waiting_on="registry",
            version=number,
        )
    return champion_of(model_name, await registry.resolved(model_name, version))


def champion_of(model_name: str, version: RegisteredVersion) -> RegisteredChampion:
    """Read what a version's tags say of its files. Raises ModelUnusable, saying what is wrong with them."""
    manifest = _manifest(version)
    return RegisteredChampion(
        model_name=model_name,
        version=version.version,
        generation=_generation(version),
        run_id=version.mlflow_run_id,
        source=_source(version),
        manifest=manifest,
        digest=seal(manifest),
        signature=version.tags.get(SIGNATURE_TAG),
    )


def _manifest(version: RegisteredVersion) -> dict[str, Sha256]:
    try:
        manifest = recorded_manifest(version.tags)
    except ModelUnusable as error:
        raise version_fault(
            error.reason, version, "has a manifest that is not a map of paths to sha256 digests"
        ) from error
    if manifest is None:
        raise version_fault(
            "no_manifest",
            version,
            "has no manifest (tag laurel.manifest), and neither has the logged model that its source leads "
            "to, so nobody knows what its files must be: if a run of Laurel's made it, a worker notes the "
            "manifest at its next look; else promote a model that Laurel trained, or roll back to one",
        )
    if not manifest or version.tags.get(DIGEST_TAG) != seal(manifest):
        raise version_fault(
            "manifest_mismatch",
            version,
            "has a manifest that its tag laurel.model_digest does not seal: one of the two is another "
            "version's, or was changed by hand",
        )
    return manifest


def _generation(version: RegisteredVersion) -> int | None:
    text = version.tags.get(GENERATION_TAG)
    if text is None:
        return None
    if not _GENERATION.fullmatch(text):
        raise version_fault(
            "generation_malformed",
            version,
            f"has a tag laurel.generation that is not a number: {text[:40]!r}",
        )
    return int(text)


def _source(version: RegisteredVersion) -> str:
    """Looked at even when the files are in the cache: the next server would not find them."""
    if not version.source:
        raise version_fault(
            "model_source_refused",
            version,
            "has an empty source, so it has no files; promote a model that Laurel trained",
        )
    return version.source


def version_fault(reason: str, version: RegisteredVersion | RegisteredChampion, what: str) -> ModelUnusable:
    """Say of a version why it cannot be served."""
    return ModelUnusable(reason, f"version {version.version} {what}", version=version.version)


_LARGEST: Final = 1 << 20  # bytes

log = structlog.get_logger()


class LastVerified:
    """One champion of one model under one alias, written whole or not at all."""

    def __init__(self, file: Path, files: AtomicFiles | None = None) -> None:
        self._file = file
        self._files = files or AtomicFiles()

    def write(self, champion: RegisteredChampion) -> None:
        """Remember the champion. A disk that refuses costs the next start without MLflow, no more."""
        try:
            self._files.replace(self._file, champion.model_dump_json(indent=2).encode())
        except TryLater as error:
            log.warning("last_model_not_remembered", reason=error.reason, problem=error.message)

    def read(self, model_name: str) -> RegisteredChampion | None:
        """The champion that was remembered; None when there is none, or not of this model.

        Raises TryLater `file_error`.
        """
        data = read_small(self._file, _LARGEST)
        if data is None:
            return None
        try:
            champion = RegisteredChampion.model_validate_json(data)
        except ValidationError as error:
            log.warning("last_model_unreadable", faults=error.error_count())
            return None
        return champion if champion.model_name == model_name else None
