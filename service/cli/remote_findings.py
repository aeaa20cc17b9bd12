"""What the doctor says of the DVC remote: is it the one of the first push, and holds it what it was given."""

import asyncio
from collections.abc import Sequence

from config.settings import Settings
from domain.datasets import RemoteObservation
from service.adapters.dvc.addresses import identity
from service.adapters.postgres.remotes import PostgresRemotes
from service.cli.findings import Finding
from service.lifecycle.reading import open_reading
from service.lifecycle.remote_watch import RUNS_ASKED, faults_of
from service.lifecycle.written_folders import dvc_folders

_NAME = "dvc remote"


async def remote_finding(settings: Settings) -> Finding:
    """Look at it now. Raises TryLater while it does not answer."""
    address = identity(dvc_folders(settings)[1])
    async with open_reading(settings) as reading:
        remotes = PostgresRemotes(reading.database, settings.mlflow_model_name)
        known = await remotes.marked(address)
        objects = await remotes.older_objects(RUNS_ASKED)
    if known is None and not objects:
        return Finding(_NAME, ok=True, found=f"{address}: nothing was pushed there yet")
    return _told(address, known, await asyncio.to_thread(_observation, settings, objects))


def _told(address: str, known: str | None, observation: RemoteObservation) -> Finding:
    if faults := faults_of(known, observation):
        told = "; ".join(message for _, message in faults)
        return Finding(_NAME, ok=False, found=f"{address}: {told}", fix="restore the remote")
    bears = "gets its id with the next push" if known is None else "has its id"
    found = f"{address}: {bears}, and holds all {observation.asked} sampled older objects"
    return Finding(_NAME, ok=True, found=found)


def _observation(settings: Settings, objects: Sequence[str]) -> RemoteObservation:
    from service.lifecycle.steps.jobs import RemoteLookJob
    from service.lifecycle.steps.version_job import look_at_remote

    cache, url = dvc_folders(settings)
    return look_at_remote(RemoteLookJob(cache=cache, remote_url=url, objects=tuple(objects)))
