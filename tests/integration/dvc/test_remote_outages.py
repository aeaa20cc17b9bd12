"""V03: a remote that refuses, fails, hangs or cuts; no version before every object is seen there."""

from asyncio import to_thread
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.datasets import DatasetHashes
from domain.errors import TryLater
from service.lifecycle.steps.jobs import VersionJob
from service.lifecycle.steps.version_job import version
from tests.harm.proxies import Fault, FaultProxy, cut_request, err, hole, lost, refuse
from tests.harm.wire_formats import Http, http
from tests.integration.dvc.put_server import PutServer, put_server
from tests.worlds.split_on_disk import split_on_disk

OPTIONS = {"method": "PUT", "read_timeout": 0.5, "connect_timeout": 0.5}
PUT, LOOK = http("PUT", "/"), http("HEAD|GET", "/")
OUTAGES: dict[str, Callable[[], Fault]] = {
    "a refused connection": refuse,
    "403 to a look": lambda: err(403, "", LOOK),
    "403 to a push": lambda: err(403, "", PUT),
    "500 to a push": lambda: err(500, "", PUT),
    "silence at a push": lambda: hole(PUT),
    "silence at a look": lambda: hole(LOOK),
    "half a push": lambda: cut_request(PUT),
    "a lost answer": lambda: lost(PUT),
}


@pytest.fixture
def server() -> Iterator[PutServer]:
    """The remote itself."""
    with put_server() as server:
        yield server


@pytest.fixture
async def proxy(server: PutServer) -> AsyncIterator[FaultProxy]:
    """Where DVC believes it to be."""
    async with FaultProxy(server.port, Http()) as proxy:
        yield proxy


@pytest.fixture
def versioned(proxy: FaultProxy, tmp_path: Path) -> Callable[[], Any]:
    """Version one split to that remote."""
    job = VersionJob(
        parts=split_on_disk(tmp_path, "a"),
        workspace=tmp_path / "dvc",
        cache=tmp_path / "cache",
        remote_url=f"{proxy.url}/store",
        remote_options=OPTIONS,
    )

    async def call() -> DatasetHashes:
        return await to_thread(version, job)

    return call


@pytest.mark.parametrize("outage", OUTAGES)
async def test_an_outage_ends_in_waiting_and_the_retry_in_a_version(
    proxy: FaultProxy, server: PutServer, versioned: Callable[[], Any], outage: str
) -> None:
    fault = proxy.add(OUTAGES[outage]())
    with pytest.raises(TryLater) as refusal:
        await versioned()
    assert (refusal.value.reason, refusal.value.waiting_on) == ("dvc_remote_unavailable", "dvc_remote")
    assert fault.hits >= 1
    proxy.clear()
    hashes = await versioned()
    oids = {hashes.dvc_split_hash, hashes.dvc_reference_hash, *hashes.files.values()}
    assert server.objects.keys() == {f"/store/files/md5/{oid[:2]}/{oid[2:]}" for oid in oids}


async def test_a_remote_that_says_yes_and_keeps_nothing_is_not_believed(
    server: PutServer, versioned: Callable[[], Any]
) -> None:
    server.forgetful = True
    with pytest.raises(TryLater) as refusal:
        await versioned()
    assert len(refusal.value.facts["objects"]) == 6
    server.forgetful = False
    await versioned()
    assert len(server.objects) == 6
