"""Models are built in a child process, so that the process that serves goes on answering."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.errors import ModelUnusable, TryLater
from service.inference.loading_child import LoadingChild, build_here
from tests import spoiled_models as spoiled
from tests.eventually import eventually
from tests.registered_models import ROWS, manifest_of, small_package
from tests.small_models import MODELS

Package = dict[str, bytes]


@pytest.fixture
async def child() -> AsyncIterator[LoadingChild]:
    """What a server holds."""
    child = LoadingChild(calm_seconds=0)
    yield child
    await child.stop()


async def begun(child: LoadingChild, package: Package, folder: Path) -> None:
    """Build a first model, and wait until others are built in the child."""
    await asyncio.to_thread(child.build, on_disk(package, folder), manifest_of(package), ())
    await eventually(child._is_ready.is_set, within=60)


def on_disk(package: Package, folder: Path) -> Path:
    for path, data in package.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


async def test_a_model_of_any_type_says_the_same_as_one_that_was_built_here(
    child: LoadingChild, tmp_path: Path
) -> None:
    await begun(child, small_package(tmp_path / "first"), tmp_path / "first-model")
    for kind in MODELS:
        package = small_package(tmp_path / kind, kind)
        folder, manifest = on_disk(package, tmp_path / f"{kind}-model"), manifest_of(package)
        here = build_here(folder, manifest, ())
        built = await asyncio.to_thread(child.build, folder, manifest, ())
        assert built(ROWS) == here(ROWS)
        assert built.categories == here.categories


async def test_a_child_that_was_killed_is_replaced_and_only_its_own_task_is_lost(
    child: LoadingChild, tmp_path: Path
) -> None:
    package = small_package(tmp_path / "package")
    folder, manifest = on_disk(package, tmp_path / "model"), manifest_of(package)
    await begun(child, package, tmp_path / "model")
    pid = child.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    lost = asyncio.create_task(asyncio.to_thread(child.build, folder, manifest, ()))
    await eventually(lambda: child._children._sets[0]._places["loading"]._working)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(TryLater) as refusal:
        await lost
    assert refusal.value.reason == "step_died"
    built = await asyncio.to_thread(child.build, folder, manifest, ())
    assert built(ROWS) == build_here(folder, manifest, ())(ROWS)


async def test_where_no_child_can_be_started_a_model_is_built_all_the_same(
    child: LoadingChild, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = small_package(tmp_path / "package")
    folder, manifest = on_disk(package, tmp_path / "model"), manifest_of(package)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    for _ in range(2):
        built = await asyncio.to_thread(child.build, folder, manifest, ())
        assert built(ROWS) == build_here(folder, manifest, ())(ROWS)
    assert child.pid is None


async def test_a_type_that_the_operator_trusts_is_built_here_and_in_the_child(
    child: LoadingChild, tmp_path: Path
) -> None:
    good = small_package(tmp_path / "package")
    theirs = {**good, "model.skops": spoiled.with_estimator(good["model.skops"], spoiled.harmless)}
    folder, manifest = on_disk(theirs, tmp_path / "model"), manifest_of(theirs)
    expected = build_here(on_disk(good, tmp_path / "good"), manifest_of(good), ())(ROWS)
    trusted = ["tests.spoiled_models.HarmlessRidge"]
    assert build_here(folder, manifest, trusted)(ROWS) == expected
    await begun(child, good, tmp_path / "first")
    built = await asyncio.to_thread(child.build, folder, manifest, trusted)
    assert built(ROWS) == expected


def left(mark: Path) -> bool:
    return mark.exists()


async def test_what_a_model_may_not_hold_is_refused_by_the_child_and_named(
    child: LoadingChild, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(spoiled.MARK, str(tmp_path / "mark"))
    good = small_package(tmp_path / "package")
    await begun(child, good, tmp_path / "good")
    bad = {**good, "model.skops": spoiled.intruding_skops()}
    with pytest.raises(ModelUnusable) as refusal:
        await asyncio.to_thread(child.build, on_disk(bad, tmp_path / "bad"), manifest_of(bad), ())
    assert refusal.value.reason == "untrusted_type"
    assert "SkopsIntruder" in refusal.value.message
    assert not left(tmp_path / "mark")
