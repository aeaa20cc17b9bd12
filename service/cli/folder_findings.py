"""What the doctor says of folders and of the DVC remote.

Rights alone do not tell of a read-only mount, or of a refused call. Is the remote the one of the first push,
and does it hold what it was given?
"""

import asyncio
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from config.settings import Settings
from domain.datasets import RemoteObservation
from service.adapters.dvc.addresses import identity
from service.adapters.files.probe import probe
from service.adapters.postgres.remotes import PostgresRemotes
from service.cli.findings import Finding
from service.lifecycle.preflight import Written, folder_fault
from service.lifecycle.reading import open_reading
from service.lifecycle.remote_watch import RUNS_ASKED, faults_of
from service.lifecycle.written_folders import dvc_folders, written_folders


def folder_findings(settings: Settings) -> list[Finding]:
    """Try every folder that a worker writes to; one finding for each setting."""
    roots = {"CONFIG_ROOT": settings.config_root, "DATA_ROOT": settings.data_root}
    by_setting = groupby(written_folders(settings), lambda one: one.setting)
    return [_finding(name, [*folders], roots.get(name)) for name, folders in by_setting]


def _finding(name: str, folders: list[Written], root: Path | None) -> Finding:
    if root is not None and (fault := folder_fault(root)):
        return Finding(name, ok=False, found=fault, fix=f"create it, or correct {name}")
    refused = next((found for one in folders if (found := probe(one.folder, links=one.links))), None)
    if refused is not None:
        return Finding(name, ok=False, found=str(refused), fix="let this user write there")
    return Finding(name, ok=True, found=f"{root or folders[0].folder} can be written")


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
