"""After each push: is the remote the one that it was, and does it still hold what it was given before."""

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import structlog

from domain.datasets import DatasetHashes, RemoteObservation, SplitParts
from domain.errors import NeverRetry, TryLater
from domain.ports.dataset_files import DatasetVersions, Remotes
from service.adapters.dvc.addresses import identity
from service.lifecycle.job_client import JobClient
from service.lifecycle.steps.jobs import LOOK_AT_REMOTE, RemoteLookJob
from service.runtime.metrics import Metrics

RUNS_ASKED: Final = 3

log = structlog.get_logger("laurel.remote")


class RemoteWatch:
    """Port `DatasetVersions`, with a look at the remote after each push. No run fails by it."""

    def __init__(
        self,
        versions: DatasetVersions,
        jobs: JobClient,
        remotes: Remotes,
        metrics: Metrics,
        *,
        cache_folder: str,
        remote_url: str,
    ) -> None:
        self._versions = versions
        self._jobs = jobs
        self._remotes = remotes
        self._metrics = metrics
        self._cache = Path(cache_folder)
        self._remote_url = remote_url
        self._address = identity(remote_url)
        metrics.set("laurel_remote_objects_missing", 0)
        metrics.set("laurel_remote_replaced", 0)

    async def version(self, run_id: str, parts: SplitParts) -> DatasetHashes:
        """Version every part; then look."""
        hashes = await self._versions.version(run_id, parts)
        try:
            await self._look()
        except (TryLater, NeverRetry) as error:
            log.warning("remote_not_looked_at", reason=error.reason, message=error.message)
        return hashes

    async def _look(self) -> None:
        known = await self._remotes.marked(self._address)
        observation = await self._observation(await self._remotes.older_objects(RUNS_ASKED))
        self._tell(known, observation)
        if known is None:
            await self._mark()

    async def _mark(self) -> None:
        """Have the remote bear an id from now on."""
        remote_id = await self._remotes.claim(self._address, uuid.uuid4().hex)
        observation = await self._observation([], add_id=remote_id)
        if remote_id in observation.ids:
            await self._remotes.mark(self._address)

    async def _observation(self, objects: Sequence[str], add_id: str | None = None) -> RemoteObservation:
        job = RemoteLookJob(
            cache=self._cache, remote_url=self._remote_url, objects=tuple(objects), add_id=add_id
        )
        return await self._jobs.run("side", LOOK_AT_REMOTE, job)

    def _tell(self, known: str | None, observation: RemoteObservation) -> None:
        faults = faults_of(known, observation)
        self._metrics.set("laurel_remote_objects_missing", len(observation.missing))
        self._metrics.set("laurel_remote_replaced", "remote_replaced" in dict(faults))
        for alarm, message in faults:
            log.error(alarm, remote=self._address, message=message, missing=observation.missing[:5])


Alarm = Literal["remote_replaced", "remote_objects_missing"]


def faults_of(known: str | None, observation: RemoteObservation) -> list[tuple[Alarm, str]]:
    """What is wrong with a remote that should have the id `known`, each in a sentence with what to do."""
    found: list[tuple[Alarm, str]] = []
    if known is not None and known not in observation.ids:
        message = (
            f"it has {', '.join(observation.ids[:3]) or 'no id'}, not {known}: another store replaced it; "
            f"restore it, or, if this is a complete copy, write {known} as a line of laurel-remote-id there"
        )
        found.append(("remote_replaced", message))
    if observation.missing:
        message = (
            f"{len(observation.missing)} of {observation.asked} sampled older objects are missing: data of "
            "earlier runs cannot be pulled; restore them from a backup, or from a machine's DVC cache"
        )
        found.append(("remote_objects_missing", message))
    return found
