"""Reloads that come together are made one after the other, and predictions go on meanwhile."""

import asyncio
import threading
from pathlib import Path

import pytest

from service.serving.champion import RegisteredChampion
from service.serving.loading import ModelLoader
from service.serving.reloading import Guard, Status
from service.serving.served_model import ServedModel
from tests.kit.eventually import eventually
from tests.worlds.loading import Replica
from tests.worlds.registered_models import ModelShelf

Package = dict[str, bytes]


class Watched:
    """Holds loads at their end until they may go on, and counts those side by side."""

    def __init__(self, loader: ModelLoader) -> None:
        self._fetch = loader.fetch
        self.go_on = threading.Event()
        self.begun = 0
        self.most = 0
        self._now = 0
        loader.fetch = self.fetch  # type: ignore[method-assign] # watched, not replaced

    def fetch(self, champion: RegisteredChampion) -> ServedModel:
        self.begun += 1
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            model = self._fetch(champion)
            assert self.go_on.wait(30)
            return model
        finally:
            self._now -= 1


@pytest.fixture
async def replica(shelf: ModelShelf, packages: list[Package], tmp_path: Path) -> Replica:
    """It serves generation 1."""
    await shelf.promote(packages[0], 1)
    replica = Replica(shelf, tmp_path / "cache")
    await replica.reloader.reload()
    return replica


async def test_reloads_that_come_together_load_once(
    shelf: ModelShelf, replica: Replica, packages: list[Package]
) -> None:
    second = await shelf.promote(packages[1], 2)
    watched = Watched(replica.loader)
    guards = [None, Guard(2, second.version), None, Guard(1, 1), Guard(2, second.version)]
    reloads = [asyncio.create_task(replica.reloader.reload(guard)) for guard in guards]
    await eventually(lambda: watched.begun)
    assert len(replica.answers()) == 3  # the old model answers meanwhile
    assert replica.served == (1, 1)
    watched.go_on.set()
    outcomes = [outcome.status for outcome in await asyncio.gather(*reloads)]
    assert outcomes == [
        Status.RELOADED,
        Status.ALREADY_SERVED,
        Status.ALREADY_SERVED,
        Status.OUTDATED,
        Status.ALREADY_SERVED,
    ]
    assert (watched.begun, watched.most) == (1, 1)


async def test_a_reload_that_nobody_waits_for_any_more_swaps_nothing_and_is_waited_for(
    shelf: ModelShelf, replica: Replica, packages: list[Package]
) -> None:
    await shelf.promote(packages[1], 2)
    watched = Watched(replica.loader)
    gone = asyncio.create_task(replica.reloader.reload())
    await eventually(lambda: watched.begun)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    third = await shelf.promote(packages[0], 3)
    next_one = asyncio.create_task(replica.reloader.reload(Guard(3, third.version)))
    watched.go_on.set()
    assert (await next_one).status is Status.RELOADED
    assert replica.served == (third.version, 3)
    assert (watched.begun, watched.most) == (2, 1)
