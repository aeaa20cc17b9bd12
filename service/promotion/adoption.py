"""Take over what is there: today's champion, the references and the config files, as first entries.

Nothing of anybody else's is changed: no file, alias, tag or run. What is entered is what a worker itself
would enter at its first look and at each first use, so that a later worker finds it and holds to it.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from domain.adoption import (
    FindingStatus,
    FoundChampion,
    FoundFile,
    JudgedChampion,
    JudgedFile,
    adopted_entry,
    judge_champion,
    judge_file,
)
from domain.datasets import DEFAULT_LIMITS
from domain.errors import GenerationTaken, LaurelError, NeverRetry
from domain.package_tags import MANIFEST_TAG
from domain.ports.clock import Clock
from domain.ports.dataset_files import FirstUses
from domain.ports.experiment_tracker import ExperimentTracker
from domain.ports.model_registry import ModelRegistry
from domain.ports.promotion_ledger import PromotionLedger
from domain.values import VersionTriple
from service.adapters.files.config_families import FileConfigFamilies, JudgedConfig
from service.adapters.files.data_layout import DataLayout
from service.adapters.files.split_parts import digest_of
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.foreign_records import count_versions, look_at_model
from service.adapters.mlflow.rest import MlflowRest
from service.adapters.polars.inspection import inspect
from service.promotion.counterparts import CounterpartChecks

REFERENCE: Final = "reference"
_ACTOR: Final = "laurel adopt"
_VERSION: Final = re.compile(r"v[1-9][0-9]{0,6}")


@dataclass(frozen=True)
class TakenOver:
    """The champion, the versions that the registry holds (all, and Laurel's own), and every file."""

    champion: JudgedChampion
    versions: int
    own_versions: int
    files: Sequence[JudgedFile]

    @property
    def refused(self) -> bool:
        """True when the alias names what no one can score: then nothing at all is recorded."""
        return self.champion.status is FindingStatus.UNUSABLE

    @property
    def sound(self) -> bool:
        """True when nothing was found that a person has to look at."""
        bad = {FindingStatus.DIFFERS, FindingStatus.UNUSABLE}
        return not bad & {self.champion.status, *(file.status for file in self.files)}


@dataclass(frozen=True)
class Adoption:
    """One deployment that is taken over. Raises TryLater while a service is away."""

    model_name: str
    alias: str
    ledger: PromotionLedger
    first_uses: FirstUses
    registry: ModelRegistry
    tracker: ExperimentTracker
    rest: MlflowRest
    access: MlflowAccess
    config: FileConfigFamilies
    places: DataLayout
    clock: Clock
    worker: str
    checks: CounterpartChecks
    allow_foreign: bool

    async def survey(self) -> TakenOver:
        """Look at everything, and change nothing."""
        versions, own = await count_versions(self.rest, self.model_name, MANIFEST_TAG)
        champion = await self._judged_champion()
        configs = [_found_config(file) async for file in self.config.judged()]
        references = await asyncio.to_thread(self._references)
        missing = [found async for found in self._missing_references(configs, references)]
        files = [await self._judged(found) for found in (*configs, *references, *missing)]
        return TakenOver(champion, versions, own, files)

    async def record(self, seen: TakenOver) -> TakenOver:
        """Enter what is new: first uses, then the champion. Safe to repeat; a refusal records nothing.

        Raises NeverRetry when the registry or the topic knows generations that this ledger does not.
        """
        if seen.refused:
            return seen
        if seen.champion.status is FindingStatus.NEW:
            with suppress(GenerationTaken):  # by a worker, at this moment: then it is adopted already
                await self.checks.require_fit(None)
        files = [await self._recorded(file) for file in seen.files]
        champion = await self._entered(seen.champion)
        return TakenOver(champion, seen.versions, seen.own_versions, files)

    async def _judged_champion(self) -> JudgedChampion:
        head = await self.ledger.head(self.model_name)
        version = await self.registry.alias_version(self.model_name)
        found = None if version is None else await self._champion(version, look=head is None)
        return judge_champion(found, head, alias=self.alias, allow_foreign=self.allow_foreign)

    async def _champion(self, number: int, *, look: bool) -> FoundChampion:
        """Look into a version that is to be adopted; a head that stands needs only its number."""
        if not look:
            return FoundChampion(version=number)
        version = await self.registry.version(self.model_name, number)
        if version is None:
            return FoundChampion(version=number, problem="the registry does not hold it")
        try:
            version = await self.registry.resolved(self.model_name, version)
            saved = await asyncio.to_thread(look_at_model, version.source, self.access)
        except NeverRetry as error:
            return FoundChampion(version=number, problem=error.message)
        run_id = version.mlflow_run_id
        run = await self.tracker.recorded(run_id) if run_id else None
        return FoundChampion(
            version=number,
            ours=MANIFEST_TAG in version.tags,
            name=saved.name,
            saved_with=saved.saved_with,
            lacks=tuple(name for name in VersionTriple.model_fields if run is None or name not in run.params),
            triple=run.triple if run else None,
            mlflow_run_id=run_id if run and run.triple else None,
            model_digest=version.digest,
        )

    def _references(self) -> list[FoundFile]:
        tests = self.places.reference(1).parents[1]
        names = [path.name for path in tests.glob("v*") if _VERSION.fullmatch(path.name)]
        paths = {name: self.places.reference(int(name[1:])) for name in names}
        there = [(name, path) for name, path in paths.items() if path.exists() or path.is_symlink()]
        return [_found_reference(name, path) for name, path in sorted(there, key=lambda one: int(one[0][1:]))]

    async def _missing_references(
        self, configs: Sequence[FoundFile], references: Sequence[FoundFile]
    ) -> AsyncIterator[FoundFile]:
        """References that were used before and are gone, of the splits that are there."""
        there = {found.name for found in references}
        for split in configs:
            if split.kind != "splits" or split.name in there:
                continue
            if await self.first_uses.known(REFERENCE, split.name) is not None:
                path = self.places.reference(int(split.name[1:]))
                yield FoundFile(kind=REFERENCE, name=split.name, file=str(path), faults=("it is missing",))

    async def _judged(self, found: FoundFile) -> JudgedFile:
        return judge_file(found, await self.first_uses.known(found.kind, found.name))

    async def _recorded(self, file: JudgedFile) -> JudgedFile:
        found = file.found
        if file.status is not FindingStatus.NEW or found.sha256 is None:
            return file
        first = await self.first_uses.record(found.kind, found.name, found.sha256, _ACTOR)
        after = judge_file(found, first)  # of two that record at once, the other may have been first
        if after.status is FindingStatus.KEPT:
            return after.model_copy(update={"status": FindingStatus.ADDED})
        return after

    async def _entered(self, champion: JudgedChampion) -> JudgedChampion:
        if champion.status is not FindingStatus.NEW or champion.found is None:
            return champion
        found = champion.found
        entry = adopted_entry(
            self.model_name,
            found.version,
            actor=self.worker,
            at=self.clock.now(),
            triple=found.triple,
            mlflow_run_id=found.mlflow_run_id,
            model_digest=found.model_digest,
        )
        try:
            await self.ledger.append(entry)
        except GenerationTaken:
            return await self._judged_champion()
        return champion.model_copy(update={"status": FindingStatus.ADDED})


def _found_config(file: JudgedConfig) -> FoundFile:
    family, name, sha256 = file.use
    faults = [
        f"{fault.file}:{fault.line or 1}: {fault.message}" if fault.file else fault.message
        for fault in file.faults
    ]
    if file.broken_contract:
        faults.append(f"it names {file.broken_contract}, which cannot be used")
    return FoundFile(
        kind=family, name=name, file=f"{family}/{name}.yaml", sha256=sha256, faults=tuple(faults)
    )


def _found_reference(name: str, path: Path) -> FoundFile:
    found = FoundFile(kind=REFERENCE, name=name, file=str(path))
    try:
        sha256, _ = digest_of(REFERENCE, path, None)
        rows = inspect(path, DEFAULT_LIMITS).rows
    except LaurelError as error:
        return found.model_copy(update={"faults": (error.message,)})
    faults = () if rows else (f"the reference {path} has no row",)
    return found.model_copy(update={"sha256": sha256, "faults": faults, "note": f"{rows} rows"})
