"""After each push: is the remote the one that it was, and does it still hold what it was given before."""

import uuid
from typing import Any, Final, Literal

import structlog

from domain.datasets import DatasetHashes, RemoteSight, SplitParts
from domain.errors import LaurelError
from domain.ports.dataset_versions import DatasetVersions
from domain.ports.remotes import Remotes
from service.heavy.desk import Desk
from service.metrics import Metrics

RUNS_ASKED: Final = 3

log = structlog.get_logger("laurel.remote")


class RemoteWatch:
    """Port `DatasetVersions`, with a look at the remote behind it. No run waits for it, or fails by it."""

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
        self._address = remote_url
        metrics.set("laurel_remote_objects_missing", 0)
        metrics.set("laurel_remote_replaced", 0)

    async def version(self, run_id: str, parts: SplitParts) -> DatasetHashes:
        """Version every part; then look."""
        hashes = await self._versions.version(run_id, parts)
        try:
            await self._look(run_id)
        except LaurelError as error:
            log.warning("remote_not_looked_at", reason=error.reason, message=error.message)
        return hashes

    async def _look(self, run_id: str) -> None:
        objects = await self._remotes.older_objects(RUNS_ASKED)
        known = await self._remotes.marked(self._address)
        if known is None:
            known = await self._remotes.claim(self._address, uuid.uuid4().hex)
            sight = await self._sight(run_id, objects, add_id=known)
            if known in sight.ids:
                await self._remotes.mark(self._address)
        else:
            sight = await self._sight(run_id, objects)
        self._tell(known, sight)

    async def _sight(self, run_id: str, objects: Any, **more: Any) -> RemoteSight:
        found = await self._desk.run(
            "side", "look_at_remote", run_id=run_id, objects=list(objects), **self._where, **more
        )
        return RemoteSight.model_validate(found)

    def _tell(self, known: str, sight: RemoteSight) -> None:
        self._metrics.set("laurel_remote_objects_missing", len(sight.missing))
        self._metrics.set("laurel_remote_replaced", known not in sight.ids)
        for fault in faults_of(known, sight):
            log.error(fault[0], remote=self._address, message=fault[1], missing=sight.missing[:5])


Alarm = Literal["remote_replaced", "remote_objects_missing"]


def faults_of(known: str | None, sight: RemoteSight) -> list[tuple[Alarm, str]]:
    """What is wrong with a remote that should bear the id `known`, each in a sentence with what to do."""
    found: list[tuple[Alarm, str]] = []
    if known is not None and known not in sight.ids:
        message = (
            f"it bears {', '.join(sight.ids) or 'no id'}, and not {known}: another store took its place; "
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
