"""Registered versions on a real MLflow server, made as the worker makes them, to serve and to spoil."""

import hashlib
import json
import uuid
from asyncio import to_thread
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.datasets import seal
from domain.models import LoggedModel, OpenedRun, RegisteredVersion
from domain.package_tags import SIGNATURE_TAG
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.experiment_tracker import MlflowExperimentTracker
from service.adapters.mlflow.model_registry import MlflowModelRegistry
from service.adapters.mlflow.rest import MlflowRest
from service.runtime.clock import SystemClock
from tests.worlds.model_jobs import upload_files
from tests.worlds.small_models import dataset, definition, table, trained

ROWS: list[dict[str, Any]] = [
    {"size": 50.0, "floors": 2, "kind": "flat", "grade": "mid"},
    {"size": None, "floors": None, "kind": None, "grade": "low"},
    {"size": 1e6, "floors": 4, "kind": "castle", "grade": "high"},
]


@dataclass(frozen=True)
class Registered:
    """A version, its logged model, and the package that its files were made of."""

    version: RegisteredVersion
    model: LoggedModel
    package: Mapping[str, bytes]

    @property
    def manifest(self) -> dict[str, str]:
        return manifest_of(self.package)


def manifest_of(package: Mapping[str, bytes]) -> dict[str, str]:
    return {path: hashlib.sha256(data).hexdigest() for path, data in package.items()}


def small_package(folder: Path, kind: str = "ridge", *, rows: int = 120, seed: int = 3) -> dict[str, bytes]:
    """A trained package, by relative path; another seed makes another model."""
    folder.mkdir(parents=True, exist_ok=True)
    data = dataset(folder / f"train-{seed}.parquet", table(rows, seed))
    package = Path(trained(folder / f"run-{seed}", data, model=definition(kind))["package"]["folder"])
    return {
        path.relative_to(package).as_posix(): path.read_bytes()
        for path in sorted(package.rglob("*"))
        if path.is_file()
    }


class ModelShelf:
    """Registers packages under one model name, and points its alias."""

    def __init__(
        self,
        access: MlflowAccess,
        rest: MlflowRest,
        scratch: Path,
        model_name: str,
        artifacts: Path | None = None,
    ) -> None:
        self.access = access
        self._artifacts = artifacts
        self.model_name = model_name
        self.registry = MlflowModelRegistry(rest)
        self._tracker = MlflowExperimentTracker(rest, "shelf", SystemClock())
        self._scratch = scratch

    async def register(
        self,
        package: Mapping[str, bytes],
        generation: int | None,
        *,
        stored: Mapping[str, bytes] | None = None,
        tags: Mapping[str, str | None] | None = None,
        sign: Callable[[str, str], str] | None = None,
    ) -> Registered:
        """Log and register a package. `stored` are other files than its manifest's; a tag None is not set.

        `sign` makes the signature of the MLflow run's id and the manifest's digest.
        """
        run, model = await self.log(package if stored is None else stored)
        every: dict[str, str | None] = {
            "laurel.generation": None if generation is None else str(generation),
            "laurel.manifest": json.dumps(manifest_of(package)),
            "laurel.model_digest": seal(manifest_of(package)),
            "feature_version": "1",
            **(tags or {}),
        }
        if sign is not None:
            every[SIGNATURE_TAG] = sign(run.mlflow_run_id, seal(manifest_of(package)))
        given = {key: value for key, value in every.items() if value is not None}
        version = await self.registry.register(self.model_name, model, run.mlflow_run_id, given, is_new=True)
        return Registered(version, model, dict(package))

    async def log(self, files: Mapping[str, bytes]) -> tuple[OpenedRun, LoggedModel]:
        """Log a model without registering it."""
        run = await self._tracker.open_run(str(uuid.uuid4()), "shelf", {})
        model = await self._tracker.create_model(run, {}, {})
        await self.store(model, files)
        return run, model

    async def promote(
        self, package: Mapping[str, bytes], generation: int | None, **more: Any
    ) -> RegisteredVersion:
        """Register a package and point the alias at it."""
        made = await self.register(package, generation, **more)
        await self.point(made)
        return made.version

    async def point(self, made: Registered) -> None:
        await self.registry.set_alias(self.model_name, made.version.version)

    async def store(self, model: LoggedModel, files: Mapping[str, bytes]) -> None:
        """Put files where a logged model's are, over those that are there."""
        if self._artifacts is not None:
            _write(on_disk(self._artifacts, model), files)
            return
        folder = self._scratch / uuid.uuid4().hex
        _write(folder, files)
        await to_thread(upload_files, model.artifact_uri, str(folder), list(files), self.access)


def on_disk(artifacts: Path, model: LoggedModel) -> Path:
    """Where a server that keeps its artifacts in this folder has a model's files."""
    return artifacts / model.artifact_uri.removeprefix("mlflow-artifacts:/").strip("/")


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


@asynccontextmanager
async def open_shelf(
    tracking_uri: str, scratch: Path, model_name: str | None = None, artifacts: Path | None = None
) -> AsyncIterator[ModelShelf]:
    """A model name on this server, of its own unless given.

    Files go straight into the server's folder `artifacts` if it is given, and else over HTTP.
    """
    access = MlflowAccess(tracking_uri)
    rest = MlflowRest(access)
    try:
        yield ModelShelf(access, rest, scratch, model_name or f"price-{uuid.uuid4()}", artifacts)
    finally:
        await rest.close()
