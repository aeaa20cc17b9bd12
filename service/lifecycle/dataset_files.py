"""Ports `DatasetFiles` and `DatasetVersions`, in children."""

from collections.abc import Sequence
from pathlib import Path

from domain.compatibility import master_faults
from domain.datasets import DatasetFile, DatasetHashes, SplitParts
from domain.errors import NeverRetry
from domain.faults import Fault
from domain.resolved_config import ResolvedConfig
from service.adapters.files.data_layout import DataLayout
from service.lifecycle.job_client import JobClient
from service.lifecycle.steps.jobs import (
    COUNT_TRAINED,
    INSPECT,
    PUBLISH,
    SPLIT,
    VERSION,
    CountTrainedJob,
    InspectJob,
    PublishJob,
    SplitJob,
    VersionJob,
)


class ChildDatasetFiles:
    """Splits in a child."""

    def __init__(self, jobs: JobClient, places: DataLayout, cache: Path) -> None:
        self._jobs = jobs
        self._places = places
        self._cache = cache

    async def check(self, config: ResolvedConfig) -> Sequence[Fault]:
        """Compare the master's columns with what is needed; an unusable master is a fault too."""
        try:
            found = await self._jobs.run("train", INSPECT, InspectJob(master=self._places.master))
        except NeverRetry as error:
            return [Fault(code=error.reason, field="master", message=error.message)]
        return master_faults(config, found.columns)

    async def count_rows(self) -> int:
        """Read the footer in the child that has less to do."""
        return (await self._jobs.run("side", INSPECT, InspectJob(master=self._places.master))).rows

    async def split(self, run_id: str, config: ResolvedConfig, reference_digest: str | None) -> SplitParts:
        """Split into the run's folder; the reference only if it is not there."""
        job = SplitJob(
            master=self._places.master,
            run_folder=self._places.run(run_id),
            reference=self._places.reference(config.split.version),
            contract=config.contract,
            rules=config.split,
            features=config.features,
            expected_reference=reference_digest,
        )
        return await self._jobs.run("train", SPLIT, job)

    async def count_trained(
        self, config: ResolvedConfig, reference: DatasetFile, train: DatasetFile, dvc_hash: str | None
    ) -> int | None:
        """Look into the other run's folder, and then into DVC's cache, in the child that has less to do."""
        job = CountTrainedJob(
            reference=Path(reference.path),
            train=train,
            cache=self._cache,
            dvc_hash=dvc_hash,
            contract=config.contract,
        )
        return (await self._jobs.run("side", COUNT_TRAINED, job)).rows

    async def publish(self, config: ResolvedConfig, parts: SplitParts) -> None:
        """Copy the parts to `splits/vN/`."""
        job = PublishJob(parts=parts, folder=self._places.published(config.split.version))
        await self._jobs.run("side", PUBLISH, job)


class ChildDatasetVersions:
    """Adds and pushes in a child, in a workspace of the run's own; cache and remote are shared."""

    def __init__(self, jobs: JobClient, places: DataLayout, *, cache_folder: str, remote_url: str) -> None:
        self._jobs = jobs
        self._places = places
        self._cache_folder = cache_folder
        self._remote_url = remote_url

    async def version(self, run_id: str, parts: SplitParts) -> DatasetHashes:
        """Version every part and see it at the remote."""
        job = VersionJob(
            parts=parts,
            workspace=self._places.run(run_id) / "dvc",
            cache=Path(self._cache_folder),
            remote_url=self._remote_url,
        )
        return await self._jobs.run("side", VERSION, job)
