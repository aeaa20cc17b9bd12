"""Make a champion readable for others: the same model as a new version, with files that say all of it.

Nothing that is stored is changed. Each step looks before it makes anything, so a repair that was killed is
done by the next one; the ledger decides between two at the same time.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from domain.datasets import seal
from domain.errors import GenerationTaken, NeverRetry
from domain.ledger import Cause, LedgerEntry, next_entry
from domain.models import LoggedModel, ModelRecord, RecordedRun, RegisteredVersion
from domain.package_tags import MANIFEST_TAG, SHARED_TAGS, package_tags, recorded_manifest
from domain.ports.clock import Clock
from domain.ports.experiment_tracker import ExperimentTracker
from domain.ports.model_registry import ModelRegistry
from domain.ports.promotion_ledger import PromotionLedger
from domain.values import Sha256
from domain.wording import escaped
from service.adapters.files.atomic import publish_folder
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.foreign_records import look_at_model
from service.adapters.mlflow.model_cache import ModelCache
from service.adapters.mlflow.model_package import complete_description, manifest_of_files
from service.adapters.mlflow.model_transfer import fetch_model, upload_model
from service.adapters.mlflow.package_format import DESCRIPTION
from service.promotion.counterparts import CounterpartChecks
from service.promotion.known_versions import KnownVersions
from service.promotion.projector import LedgerProjector

_PLAIN_SOURCE = "models:/"


class RepairNeed(NamedTuple):
    """A version as plain MLflow readers meet it. `lacks` are fields of its MLmodel.

    `astray`: MLflow does not find the files by the version's source.
    """

    version: RegisteredVersion
    ours: bool
    lacks: tuple[str, ...]
    astray: str = ""

    @property
    def needs_repair(self) -> bool:
        """True for a model of ours that others cannot read."""
        return self.ours and bool(self.lacks or self.astray)

    @property
    def told(self) -> str:
        """What is wrong, for a person."""
        faults = [f"its MLmodel lacks {', '.join(self.lacks)}"] if self.lacks else []
        faults += [f"plain MLflow finds no files at its source {self.astray}"] if self.astray else []
        return f"version {self.version.version}: {' and '.join(faults) or 'others can read it'}"


class Repaired(NamedTuple):
    """What was found of the champion, and the generation that was added, if one was.

    `unshown` says why alias and defaults do not show it yet.
    """

    head: LedgerEntry
    condition: RepairNeed
    added: LedgerEntry | None = None
    unshown: str = ""


async def condition_of(number: int, versions: KnownVersions, access: MlflowAccess) -> RepairNeed:
    """Look at a version's files. Raises ModelUnusable for one that has none, TryLater."""
    version = await versions.registry.version(versions.model_name, number)
    if version is None:
        raise NeverRetry("version_missing", f"the registry does not hold version {number}")
    known = await versions.completed(version)
    saved = await asyncio.to_thread(look_at_model, known.source, access)
    lacks = dict.fromkeys(saved.lacks)
    if saved.run_id != known.mlflow_run_id:
        lacks = {"run_id": None, **lacks}
    astray = "" if version.source.startswith(_PLAIN_SOURCE) else version.source
    return RepairNeed(known, MANIFEST_TAG in known.tags, tuple(lacks), astray)


@dataclass(frozen=True)
class Repair:
    """Repairs one model's champion. Raises TryLater while a service is away, NeverRetry for what refuses."""

    model_name: str
    worker: str
    ledger: PromotionLedger
    registry: ModelRegistry
    tracker: ExperimentTracker
    clock: Clock
    checks: CounterpartChecks
    versions: KnownVersions
    projector: LedgerProjector
    access: MlflowAccess

    async def examine(self) -> Repaired | None:
        """Look at the champion, and change nothing; None while there is none."""
        head = await self.ledger.head(self.model_name)
        return None if head is None else Repaired(head, await self._condition(head))

    async def repair(self) -> Repaired | None:
        """Add a readable version as the next generation, if it is needed, and bring the alias to it."""
        while (head := await self.projector.show()) is not None:
            condition = await self._condition(head)
            if not condition.needs_repair:
                return Repaired(head, condition)
            try:
                await self.checks.require_agreement(head)
                entry = await self._registered(head, condition)
                await self.ledger.append(entry)
            except GenerationTaken:
                continue
            return Repaired(head, condition, entry, await self.projector.why_not_shown())
        return None

    async def _condition(self, head: LedgerEntry) -> RepairNeed:
        return await condition_of(head.version, self.versions, self.access)

    async def _registered(self, head: LedgerEntry, condition: RepairNeed) -> LedgerEntry:
        """Register the readable version, and make the entry that names it."""
        known = condition.version
        run = await self._run(known)
        model, manifest = await self._model(run, condition)
        run_id, digest = run.opened.mlflow_run_id, seal(manifest)
        tags = {
            **{name: known.tags[name] for name in SHARED_TAGS if name in known.tags},
            **package_tags(manifest, digest),
            **self.versions.signature_tag(run_id, digest),
        }
        told = (
            f"The same model as version {known.version}, as `laurel repair` registered it: "
            f"{escaped(condition.told)}.\n"
        )
        version = await self.registry.register(self.model_name, model, run_id, tags, description=told)
        if version.tags != tags:  # found: from a try before, or made by hand
            await self.registry.tag_version(self.model_name, version.version, tags)
        return next_entry(
            self.model_name,
            head,
            version=version.version,
            cause=Cause.REPAIR,
            mlflow_run_id=run_id,
            triple=run.triple or head.triple,
            reasons=(f"{condition.told}; version {version.version} is the same model, and is complete",),
            actor=self.worker,
            at=self.clock.now(),
            model_digest=digest,
        )

    async def _run(self, version: RegisteredVersion) -> RecordedRun:
        run_id = version.mlflow_run_id
        run = await self.tracker.recorded(run_id) if run_id else None
        if run is None:
            raise NeverRetry(
                "run_missing",
                f"version {version.version} names the run {run_id}, which MLflow does not have; "
                "promote another model, which a training makes",
            )
        return run

    async def _model(
        self, run: RecordedRun, condition: RepairNeed
    ) -> tuple[LoggedModel, Mapping[str, Sha256]]:
        """The logged model to register: the champion's own if its files say all, else one with new files."""
        source, manifest = condition.version.source, recorded_manifest(condition.version.tags) or {}
        model_id = source.removeprefix(_PLAIN_SOURCE)
        if not condition.lacks:
            return LoggedModel(model_id=model_id, uri=source, artifact_uri=source), manifest
        model = await self.tracker.create_successor(run.opened, model_id)
        record = ModelRecord(
            mlflow_run_id=run.opened.mlflow_run_id, model_id=model.model_id, artifact_uri=model.artifact_uri
        )
        made = await asyncio.to_thread(self._upload, source, manifest, model, record)
        await self.tracker.finalize_model(model, package_tags(made, seal(made)))
        return model, made

    def _upload(
        self, source: str, manifest: Mapping[str, Sha256], model: LoggedModel, record: ModelRecord
    ) -> dict[str, Sha256]:
        """Fetch the champion's files, check every byte, and upload them with another description."""
        with TemporaryDirectory(prefix="laurel-repair-") as folder:
            cache, made = ModelCache(Path(folder, "cache")), Path(folder, "model")
            fetched = fetch_model(source, manifest, self.access, cache).folder
            files = {path: (fetched / path).read_bytes() for path in manifest}
            files[DESCRIPTION] = complete_description(files[DESCRIPTION], record)
            publish_folder(made, files)
            new = manifest_of_files(files)
            upload_model(made, model.artifact_uri, new, self.access, cache)
            return new
