"""Models are built in a child process: whatever they do, the process that serves goes on answering."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from domain.errors import ModelUnusable, TryLater
from service.adapters.sklearn.row_prediction import RowPredictor
from service.serving.loading_child import LoadingChild
from service.serving.reloading import Guard
from service.serving.unloadable import DiedOfModel
from tests.kit.eventually import eventually
from tests.worlds import spoiled_models as spoiled
from tests.worlds.built_here import build_here
from tests.worlds.loading import Replica
from tests.worlds.registered_models import ROWS, ModelShelf, manifest_of, small_package
from tests.worlds.small_models import MODELS

Package = dict[str, bytes]


shares_the_child = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def child(mark: Path) -> AsyncIterator[LoadingChild]:
    """What a server holds; it lives in the module's event loop, as it takes seconds to start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(spoiled.MARK, str(mark))
        child = LoadingChild()
        yield child
        await child.stop()


@pytest.fixture(scope="module")
def mark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that appears if anything of a model runs."""
    return tmp_path_factory.mktemp("marks") / "mark"


def on_disk(package: Package, folder: Path) -> Path:
    for path, data in package.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


@shares_the_child
async def test_a_model_of_any_type_says_the_same_as_one_that_was_built_here(
    child: LoadingChild, tmp_path: Path
) -> None:
    for kind in MODELS:
        package = small_package(tmp_path / kind, kind)
        folder, manifest = on_disk(package, tmp_path / f"{kind}-model"), manifest_of(package)
        here = build_here(folder, manifest, ())
        built = await asyncio.to_thread(child.build, folder, manifest, ())
        assert built(ROWS) == here(ROWS)
        assert built.categories == here.categories


@shares_the_child
async def test_a_child_that_was_killed_is_replaced_and_its_model_is_built_by_the_next(
    child: LoadingChild, tmp_path: Path
) -> None:
    package = small_package(tmp_path / "package")
    folder, manifest = on_disk(package, tmp_path / "model"), manifest_of(package)
    pid = await eventually(lambda: child.pid)
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    lost = asyncio.create_task(asyncio.to_thread(child.build, folder, manifest, ()))
    await eventually(lambda: child._children._sets[0]._places["loading"]._working)
    os.kill(pid, signal.SIGKILL)
    built = await lost
    assert built(ROWS) == build_here(folder, manifest, ())(ROWS)
    assert child.pid != pid


@pytest.mark.usefixtures("cold_starts")
async def test_where_no_child_can_be_started_no_model_is_built_until_one_can(tmp_path: Path) -> None:
    package = small_package(tmp_path / "package")
    folder, manifest = on_disk(package, tmp_path / "model"), manifest_of(package)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(tmp_path / "no-python"))
        child = LoadingChild()
        for _ in range(2):
            with pytest.raises(TryLater) as refusal:
                await asyncio.to_thread(child.build, folder, manifest, ())
            assert refusal.value.reason == "child_not_ready"
    built = await asyncio.to_thread(child.build, folder, manifest, ())
    await child.stop()
    assert built(ROWS) == build_here(folder, manifest, ())(ROWS)


@shares_the_child
async def test_a_type_that_the_operator_trusts_is_built_here_and_in_the_child(
    child: LoadingChild, tmp_path: Path
) -> None:
    good = small_package(tmp_path / "package")
    theirs = {**good, "model.skops": spoiled.with_estimator(good["model.skops"], spoiled.harmless)}
    folder, manifest = on_disk(theirs, tmp_path / "model"), manifest_of(theirs)
    expected = build_here(on_disk(good, tmp_path / "good"), manifest_of(good), ())(ROWS)
    trusted = ["tests.worlds.spoiled_models.HarmlessRidge"]
    assert build_here(folder, manifest, trusted)(ROWS) == expected
    built = await asyncio.to_thread(child.build, folder, manifest, trusted)
    assert built(ROWS) == expected


def left(mark: Path) -> bool:
    return mark.exists()


@shares_the_child
async def test_what_a_model_may_not_hold_is_refused_by_the_child_and_named(
    child: LoadingChild, tmp_path: Path, mark: Path
) -> None:
    good = small_package(tmp_path / "package")
    bad = {**good, "model.skops": spoiled.intruding_skops()}
    with pytest.raises(ModelUnusable) as refusal:
        await asyncio.to_thread(child.build, on_disk(bad, tmp_path / "bad"), manifest_of(bad), ())
    assert refusal.value.reason == "untrusted_type"
    assert "SkopsIntruder" in refusal.value.message
    assert not left(mark)


async def test_a_model_that_kills_whoever_builds_it_is_marked_and_the_last_verified_one_serves(
    shelf: ModelShelf, packages: list[Package], tmp_path: Path
) -> None:
    """Be it a server's first model or a later one; after a restart nobody tries it again."""
    child = LoadingChild()
    deadly = [with_deadly(package) for package in packages]
    trusting = Trusting(child)
    replica = Replica(shelf, tmp_path / "cache", build=trusting.build)
    await shelf.promote(deadly[0], 1)
    with pytest.raises(DiedOfModel):
        await replica.reloader.reload()
    assert replica.serving.model is None
    good = await shelf.promote(packages[0], 2)
    await replica.reloader.reload()
    bad = await shelf.promote(deadly[1], 3)
    with pytest.raises(DiedOfModel) as death:
        await replica.reloader.reload(Guard(3, bad.version))
    assert (death.value.reason, replica.served) == ("unloadable_model", (good.version, 2))

    tries = trusting.tries
    restarted = Replica(shelf, tmp_path / "cache", build=trusting.build)
    mark = restarted.serving.unloadable[-1]
    assert (mark.version, "SIGSEGV" in mark.why) == (bad.version, True)
    starting = asyncio.create_task(restarted.reloader.watch_start())
    await eventually(lambda: restarted.served)
    assert (restarted.served, restarted.serving.stale) == ((good.version, 2), True)
    assert restarted.answers() == replica.answers()
    with pytest.raises(ModelUnusable) as refusal:
        await restarted.reloader.reload(Guard(3, bad.version))
    assert (refusal.value.reason, trusting.tries) == ("unloadable_model", tries + 1)
    later = await shelf.promote(packages[2], 4)
    await eventually(starting.done)
    await child.stop()
    assert (restarted.served, restarted.serving.stale) == ((later.version, 4), False)


def with_deadly(package: Package) -> Package:
    return {**package, "model.skops": spoiled.with_estimator(package["model.skops"], spoiled.deadly)}


class Trusting:
    """A loading child whose operator trusts a deadly type, and that counts what it is asked for."""

    def __init__(self, child: LoadingChild) -> None:
        self.tries = 0
        self._child = child

    def build(self, folder: Path, manifest: Mapping[str, str], _: Sequence[str]) -> RowPredictor:
        self.tries += 1
        return self._child.build(folder, manifest, [spoiled.DEADLY])
