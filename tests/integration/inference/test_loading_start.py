"""A server's start: the champion, or what was verified last, and never anything else (R07)."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.model_registry import MlflowModelRegistry
from service.adapters.mlflow.rest import MlflowRest
from service.serving.reloading import Status
from tests.harm.proxies import Fault, FaultProxy, drip, drip_head, slow
from tests.harm.wire_formats import Http, http
from tests.integration.inference.tampering_scene import flipped, link
from tests.kit.eventually import eventually
from tests.worlds.loading import Replica
from tests.worlds.registered_models import ModelShelf
from tests.worlds.servers import MlflowServer

Package = dict[str, bytes]


@pytest.fixture
async def proxy(mlflow_server: MlflowServer) -> AsyncIterator[FaultProxy]:
    """Where the servers believe MLflow to be."""
    address = urlsplit(mlflow_server.tracking_uri)
    async with FaultProxy(address.port or 0, Http(address.netloc)) as proxy:
        yield proxy


@pytest.fixture
async def rest(proxy: FaultProxy) -> AsyncIterator[MlflowRest]:
    rest = MlflowRest(MlflowAccess(proxy.url))
    yield rest
    await rest.close()


@pytest.fixture
def start(shelf: ModelShelf, proxy: FaultProxy, rest: MlflowRest, tmp_path: Path) -> Callable[[], Replica]:
    """Start a server anew: its memory is empty, its disk is the one from before."""
    access = MlflowAccess(proxy.url)
    registry = MlflowModelRegistry(rest)
    return lambda: Replica(shelf, tmp_path / "cache", access=access, registry=registry)


@asynccontextmanager
async def starting(replica: Replica) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(replica.reloader.watch_start())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_while_mlflow_is_down_the_last_verified_model_is_served_as_stale(
    shelf: ModelShelf, proxy: FaultProxy, start: Callable[[], Replica], packages: list[Package]
) -> None:
    first = await shelf.promote(packages[0], 1)
    before = start()
    await before.reloader.reload()
    second = await shelf.promote(packages[1], 2)
    await proxy.close_door()
    replica = start()
    async with starting(replica) as task:
        await eventually(lambda: replica.served)
        assert (replica.served, replica.serving.stale) == ((first.version, 1), True)
        assert replica.answers() == before.answers()
        await proxy.open_door()
        await eventually(lambda: replica.served == (second.version, 2))
        await eventually(task.done)
    assert not replica.serving.stale


async def test_a_stale_model_that_is_still_the_champion_is_stale_no_more(
    shelf: ModelShelf, proxy: FaultProxy, start: Callable[[], Replica], packages: list[Package]
) -> None:
    version = await shelf.promote(packages[0], 1)
    await start().reloader.reload()
    await proxy.close_door()
    replica = start()
    async with starting(replica) as task:
        await eventually(lambda: replica.serving.stale)
        await proxy.open_door()
        await eventually(task.done)
    assert (replica.served, replica.serving.stale) == ((version.version, 1), False)


@pytest.mark.parametrize("dripping", [drip, drip_head])
async def test_a_transfer_that_drips_ends_and_the_next_one_brings_the_model(
    shelf: ModelShelf,
    proxy: FaultProxy,
    rest: MlflowRest,
    packages: list[Package],
    tmp_path: Path,
    dripping: Callable[..., Fault],
) -> None:
    """The server came up while MLflow's proxy was ill, and is ready as soon as that is over."""
    version = await shelf.promote(packages[0], 1)
    fault = proxy.add(dripping(0.1, http("GET", "artifacts/.*model.skops"), times=1))
    access = MlflowAccess(proxy.url, timeout_seconds=0.5)
    replica = Replica(shelf, tmp_path / "cache", access=access, registry=MlflowModelRegistry(rest))
    async with starting(replica) as task:
        await eventually(task.done)
    assert (replica.served, fault.hits) == ((version.version, 1), 1)


def _edited_manifest(cache: Path) -> None:
    pointer = cache / "last_verified.json"
    known = json.loads(pointer.read_bytes())
    known["manifest"]["model.skops"] = "0" * 64
    pointer.write_text(json.dumps(known))


def _damaged(cache: Path) -> None:
    model = next(cache.glob("*/model.skops"))
    model.write_bytes(flipped(model.read_bytes()))


def _linked(cache: Path) -> None:
    model = next(cache.glob("*/model.skops"))
    (cache / "elsewhere").write_bytes(model.read_bytes())
    link(model, cache / "elsewhere")


def _added(cache: Path) -> None:
    next(cache.glob("*/model.skops")).with_name("extra.py").write_text("import os\n")


def _cut_pointer(cache: Path) -> None:
    pointer = cache / "last_verified.json"
    pointer.write_bytes(pointer.read_bytes()[:-20])


def _other_model(cache: Path) -> None:
    pointer = cache / "last_verified.json"
    pointer.write_text(json.dumps({**json.loads(pointer.read_bytes()), "model_name": "another"}))


HARMS: Mapping[str, Callable[[Path], None]] = {
    "a flipped byte": _damaged,
    "a link": _linked,
    "a file more": _added,
    "another manifest": _edited_manifest,
    "half of what was remembered": _cut_pointer,
    "another model's": _other_model,
}


@pytest.mark.parametrize("harm", HARMS)
async def test_what_was_changed_on_the_disk_is_not_served_but_fetched_anew(
    shelf: ModelShelf,
    proxy: FaultProxy,
    start: Callable[[], Replica],
    rest: MlflowRest,
    packages: list[Package],
    tmp_path: Path,
    harm: str,
) -> None:
    version = await shelf.promote(packages[0], 1)
    await start().reloader.reload()
    HARMS[harm](tmp_path / "cache")
    await proxy.close_door()
    replica = start()
    async with starting(replica) as task:
        before = rest.calls["GET registered-models/get"]
        await eventually(lambda: rest.calls["GET registered-models/get"] > before + 2)
        assert replica.serving.model is None
        await proxy.open_door()
        await eventually(task.done)
    assert (replica.served, replica.serving.stale) == ((version.version, 1), False)


async def test_without_an_alias_it_keeps_looking_and_serves_nothing(
    shelf: ModelShelf, start: Callable[[], Replica], rest: MlflowRest, packages: list[Package]
) -> None:
    replica = start()
    async with starting(replica) as task:
        await eventually(lambda: rest.calls["GET registered-models/get"] > 3)
        assert replica.serving.model is None
        version = await shelf.promote(packages[0], 1)
        await eventually(task.done)
    assert replica.served == (version.version, 1)


async def test_a_champion_that_is_refused_leaves_the_last_verified_one_serving(
    shelf: ModelShelf, start: Callable[[], Replica], packages: list[Package]
) -> None:
    first = await shelf.promote(packages[0], 1)
    await start().reloader.reload()
    await shelf.promote(packages[1], 2, tags={"laurel.manifest": None})
    replica = start()
    async with starting(replica) as task:
        await eventually(lambda: replica.served)
        assert (replica.served, replica.serving.stale) == ((first.version, 1), True)
        good = await shelf.promote(packages[1], 3)
        await eventually(task.done)
    assert (replica.served, replica.serving.stale) == ((good.version, 3), False)


async def test_the_label_is_of_what_was_loaded_even_when_the_alias_moves_meanwhile(
    shelf: ModelShelf, proxy: FaultProxy, start: Callable[[], Replica], packages: list[Package]
) -> None:
    first = await shelf.promote(packages[0], 1)
    replica = start()
    fault = proxy.add(slow(0.5, http("GET", "model.skops"), times=1))
    loading = asyncio.create_task(replica.reloader.reload())
    await eventually(lambda: fault.hits)
    second = await shelf.promote(packages[1], 2)
    outcome = await loading
    assert (outcome.status, replica.served) == (Status.RELOADED, (first.version, 1))
    firsts = replica.answers()
    await replica.reloader.reload()
    assert replica.served == (second.version, 2)
    assert replica.answers() != firsts


async def test_alias_and_version_are_read_once(
    shelf: ModelShelf, start: Callable[[], Replica], rest: MlflowRest, packages: list[Package]
) -> None:
    await shelf.promote(packages[0], 1)
    await start().reloader.reload()
    assert rest.calls == {"GET registered-models/get": 1, "GET model-versions/get": 1}
