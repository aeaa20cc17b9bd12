"""What the doctor says of the DVC remote: is it the one of the first push, and holds it what it was given."""

import asyncio
from collections.abc import Sequence

from config.settings import Settings
from domain.datasets import RemoteSight
from service.adapters.dvc.addresses import identity
from service.adapters.postgres.remotes import PostgresRemotes
from service.app import open_reading
from service.cli.findings import Finding
from service.heavy.remote_watch import RUNS_ASKED, faults_of
from service.written_folders import dvc_folders

_NAME = "dvc remote"


async def remote_finding(settings: Settings) -> Finding:
    """Look at it now. Raises TryLater while it does not answer."""
    address = identity(dvc_folders(settings)[1])
    async with open_reading(settings) as reading:
        remotes = PostgresRemotes(reading.database, settings.mlflow_model_name)
        known = await remotes.marked(address)
        objects = await remotes.older_objects(RUNS_ASKED)
    if known is None and not objects:
        return Finding(_NAME, well=True, found=f"{address}: nothing was pushed there yet")
    return _told(address, known, await asyncio.to_thread(_sight, settings, objects))


def _told(address: str, known: str | None, sight: RemoteSight) -> Finding:
    if faults := faults_of(known, sight):
        told = "; ".join(message for _, message in faults)
        return Finding(_NAME, well=False, found=f"{address}: {told}", mend="restore the remote")
    bears = "gets its id with the next push" if known is None else "bears its id"
    found = f"{address}: {bears}, and holds all {sight.asked} older objects that were asked for"
    return Finding(_NAME, well=True, found=found)


def _sight(settings: Settings, objects: Sequence[str]) -> RemoteSight:
    from service.tasks.version import look_at_remote  # noqa: PLC0415 - DVC is a second of a start

    cache, url = dvc_folders(settings)
    found = look_at_remote(run_id="doctor", cache_folder=str(cache), remote_url=url, objects=list(objects))
    return RemoteSight.model_validate(found)
