"""A remote that was replaced, or that lost objects, is told of after each push; no run fails by it."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from shutil import copytree, rmtree

import pytest
from structlog.testing import capture_logs

from domain.datasets import DatasetHashes
from domain.lifecycle import Outcome
from service.adapters.files.data_layout import DataLayout
from service.adapters.postgres.database import Database, open_database
from service.adapters.postgres.remotes import PostgresRemotes
from service.lifecycle.dataset_files import ChildDatasetVersions
from service.lifecycle.job_client import JobClient
from service.lifecycle.remote_watch import RemoteWatch
from service.runtime.metrics import Metrics
from tests.contract.stores import brought_to, claimed, stores_on
from tests.fakes.children import InProcessChildren
from tests.integration.dvc.put_server import PutServer, put_server
from tests.worlds.split_on_disk import CONTENT, split_on_disk

Push = Callable[[], Awaitable[DatasetHashes]]
Log = list[dict[str, str]]


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    async with open_database(migrated_url) as database:
        yield database


@pytest.fixture
def said() -> Iterator[Log]:
    """What was logged as a warning or an error."""
    with capture_logs() as lines:
        yield lines  # type: ignore[misc] # its values are texts here


class Lives:
    """The runs of one model: each versions a split of its own, as the worker does, and records it."""

    def __init__(self, folder: Path, database: Database, remote_url: str) -> None:
        self.model = f"price {uuid.uuid4()}"
        self.metrics = Metrics()
        self.cache = folder / self.model / "cache"
        self.remotes = PostgresRemotes(database, self.model)
        self._folder = folder / self.model
        self._stores = stores_on(database, self.model)
        jobs = JobClient(InProcessChildren(), timeout_seconds=60, memory_bytes=1 << 30)
        where = {"cache_folder": str(self.cache), "remote_url": remote_url}
        versions = ChildDatasetVersions(jobs, DataLayout(self._folder), **where)
        self._watch = RemoteWatch(versions, jobs, self.remotes, self.metrics, **where)

    async def run(self, name: str) -> DatasetHashes:
        content = {part: f"{self.model}, run {name}: ".encode() + some for part, some in CONTENT.items()}
        hashes = await self._watch.version(name, split_on_disk(self._folder / name, name, content))
        run = await brought_to(
            self._stores, await claimed(self._stores, self.model), Outcome.RESOLVED, Outcome.SPLIT
        )
        await self._stores.runs.advance(run, Outcome.VERSIONED, output=hashes.model_dump(mode="json"))
        return hashes

    @property
    def alarms(self) -> Mapping[str, float]:
        lines = self.metrics.render().decode().splitlines()
        read = (line.split() for line in lines if line.startswith("laurel_remote_"))
        return {name.removeprefix("laurel_remote_"): float(value) for name, value in read}


QUIET = {"objects_missing": 0, "replaced": 0}


async def test_another_store_in_the_remotes_place_is_told_of_with_what_is_missing_until_the_first_is_back(
    tmp_path: Path, database: Database, said: Log
) -> None:
    """The cache is empty too, so this machine does not know that it was ever there."""
    remote, away = tmp_path / "remote", tmp_path / "away"
    lives = Lives(tmp_path, database, f"file://{remote}")
    for name in "abcd":
        await lives.run(name)
    assert (said, lives.alarms) == ([], QUIET)
    remote_id = await lives.remotes.marked(str(remote))
    assert (remote / "laurel-remote-id").read_text() == f"{remote_id}\n"

    rmtree(lives.cache)
    remote.rename(away)
    (remote / "files").mkdir(parents=True)
    await lives.run("e")
    assert lives.alarms == {"objects_missing": 18, "replaced": 1}
    assert [line["event"] for line in said] == ["remote_replaced", "remote_objects_missing"]
    assert str(remote_id) in said[0]["message"]
    assert "18 of 18 sampled older objects" in said[1]["message"]

    copytree(away, remote, dirs_exist_ok=True)
    await lives.run("f")
    assert (len(said), lives.alarms) == (2, QUIET)


async def test_objects_that_a_remote_lost_are_counted_and_it_is_still_the_one_it_was(
    tmp_path: Path, database: Database, said: Log
) -> None:
    """Every second one of a run; another model pushes there too, and its id stands beside."""
    remote = tmp_path / "remote"
    lives, others = (Lives(tmp_path, database, str(remote)) for _ in range(2))
    hashes = await lives.run("a")
    await others.run("a")
    assert len((remote / "laurel-remote-id").read_text().splitlines()) == 2
    for oid in hashes.objects[::2]:
        (remote / "files" / "md5" / oid[:2] / oid[2:]).unlink()
    await others.run("b")
    assert said == []
    await lives.run("b")
    assert lives.alarms == QUIET | {"objects_missing": 3}
    assert others.alarms == QUIET
    assert "3 of 6 sampled older objects" in said[0]["message"]


@pytest.fixture
def server() -> Iterator[PutServer]:
    with put_server() as server:
        yield server


async def test_a_remote_behind_a_url_is_watched_too_whatever_its_password_is(
    tmp_path: Path, database: Database, server: PutServer, said: Log
) -> None:
    address = f"127.0.0.1:{server.port}/store"
    lives = Lives(tmp_path, database, f"http://user:canary@{address}")
    await lives.run("a")
    remote_id = await lives.remotes.marked(f"http://{address}")
    assert server.objects["/store/laurel-remote-id"] == f"{remote_id}\n".encode()

    server.objects.clear()
    await lives.run("b")
    assert lives.alarms == {"objects_missing": 6, "replaced": 1}
    assert "canary" not in str(said)


async def test_a_look_that_cannot_be_made_is_told_of_and_fails_no_run(
    tmp_path: Path, database: Database, said: Log
) -> None:
    lives = Lives(tmp_path, database, str(tmp_path / "remote"))
    hashes = await lives.run("a")
    (tmp_path / "remote" / "laurel-remote-id").unlink()
    (tmp_path / "remote" / "laurel-remote-id").mkdir()
    assert (await lives.run("b")).objects != hashes.objects
    assert [(line["event"], line["reason"]) for line in said] == [
        ("remote_not_looked_at", "dvc_remote_unavailable")
    ]
