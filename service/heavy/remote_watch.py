"""After each push: is the remote the one that it was, and does it still hold what it was given before."""

import uuid
from collections.abc import Sequence
from typing import Any, Final, Literal

import structlog

from domain.datasets import DatasetHashes, RemoteSight, SplitParts
from domain.errors import NeverRetry, TryLater
from domain.ports.dataset_versions import DatasetVersions
from domain.ports.remotes import Remotes
from service.adapters.dvc.addresses import identity
from service.heavy.desk import Desk
from service.metrics import Metrics

RUNS_ASKED: Final = 3

log = structlog.get_logger("laurel.remote")


class RemoteWatch:
    """Port `DatasetVersions`, with a look at the remote after each push. No run fails by it."""

    def __init__(
        self,
        versions: DatasetVersions,
        desk: Desk,
        remotes: Remotes,
        metrics: Metrics,
        *,
        cache_folder: str,
        remote_url: str,
    ) -> None:
        self._versions = versions
        self._desk = desk
        self._remotes = remotes
        self._metrics = metrics
        self._where = {"cache_folder": cache_folder, "remote_url": remote_url}
        self._address = identity(remote_url)
        metrics.set("laurel_remote_objects_missing", 0)
        metrics.set("laurel_remote_replaced", 0)

    async def version(self, run_id: str, parts: SplitParts) -> DatasetHashes:
        """Version every part; then look."""
        hashes = await self._versions.version(run_id, parts)
        try:
            await self._look(run_id)
        except (TryLater, NeverRetry) as error:
            log.warning("remote_not_looked_at", reason=error.reason, message=error.message)
        return hashes

    async def _look(self, run_id: str) -> None:
        known = await self._remotes.marked(self._address)
        sight = await self._sight(run_id, await self._remotes.older_objects(RUNS_ASKED))
        self._tell(known, sight)
        if known is None:
            await self._mark(run_id)

    async def _mark(self, run_id: str) -> None:
        """Have the remote bear an id from now on."""
        remote_id = await self._remotes.claim(self._address, uuid.uuid4().hex)
        sight = await self._sight(run_id, [], add_id=remote_id)
        if remote_id in sight.ids:
            await self._remotes.mark(self._address)

    async def _sight(self, run_id: str, objects: Sequence[str], **more: Any) -> RemoteSight:
        found = await self._desk.run(
            "side", "look_at_remote", run_id=run_id, objects=list(objects), **self._where, **more
        )
        return RemoteSight.model_validate(found)

    def _tell(self, known: str | None, sight: RemoteSight) -> None:
        faults = faults_of(known, sight)
        self._metrics.set("laurel_remote_objects_missing", len(sight.missing))
        self._metrics.set("laurel_remote_replaced", "remote_replaced" in dict(faults))
        for alarm, message in faults:
            log.error(alarm, remote=self._address, message=message, missing=sight.missing[:5])


Alarm = Literal["remote_replaced", "remote_objects_missing"]


def faults_of(known: str | None, sight: RemoteSight) -> list[tuple[Alarm, str]]:
    """What is wrong with a remote that should bear the id `known`, each in a sentence with what to do."""
    found: list[tuple[Alarm, str]] = []
    if known is not None and known not in sight.ids:
        message = (
            f"it bears {', '.join(sight.ids[:3]) or 'no id'}, and not {known}: another store took its place; "
            f"restore it, or, if this is a whole copy, write {known} as a line of laurel-remote-id there"
        )
        found.append(("remote_replaced", message))
    if sight.missing:
        message = (
            f"{len(sight.missing)} of {sight.asked} older objects that were asked for are missing: data of "
            "earlier runs cannot be pulled; restore them from a backup, or from a machine's DVC cache"
        )
        found.append(("remote_objects_missing", message))
    return found
