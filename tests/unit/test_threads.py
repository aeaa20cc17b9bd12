"""Work in threads: one after another, never waited for for ever."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from domain.errors import TryLater
from service.adapters.mlflow import artifact_store
from service.adapters.mlflow.artifact_store import LibraryStore
from service.processes.threads import OneAtATime
from tests.kit.eventually import eventually


async def test_work_that_never_ends_is_left_and_a_fresh_thread_goes_on() -> None:
    loading, never = OneAtATime(0.05), threading.Event()
    with pytest.raises(TryLater) as left:
        await loading.run(never.wait)
    assert left.value.reason == "loading_too_slow"
    assert await loading.run(lambda: 7) == 7
    never.set()


async def test_work_that_nobody_waits_for_goes_on_and_the_next_waits_for_it() -> None:
    loading, go_on, done = OneAtATime(60), threading.Event(), list[int]()

    def work() -> None:
        go_on.wait()
        done.append(1)

    first = asyncio.ensure_future(loading.run(work))
    await asyncio.sleep(0)
    first.cancel()
    second = asyncio.ensure_future(loading.run(lambda: list(done)))
    await asyncio.gather(first, return_exceptions=True)
    go_on.set()
    assert await second == [1]


async def test_an_error_of_the_work_is_told_to_who_waits() -> None:
    def fail() -> None:
        raise TimeoutError("of the work itself")

    with pytest.raises(TimeoutError, match="itself"):
        await OneAtATime(60).run(fail)


async def test_a_store_without_deadlines_of_its_own_gets_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An S3 client waits for each piece alone, and so for ever for one that drips."""
    never, file = threading.Event(), tmp_path / "a"
    file.touch()

    class Dripping:
        def __getattr__(self, name: str) -> Any:
            return lambda *_: never.wait()

    monkeypatch.setattr(artifact_store, "_CLIENTS_OWN_SECONDS", 0.0)
    store = LibraryStore(Dripping(), lambda size: 0.05 + size)
    calls = (
        store.sizes,
        lambda: store.put("a", file),
        lambda: list(store.read("a")),
        lambda: store.remove("a"),
    )
    for call in calls:
        with pytest.raises(TryLater, match="not done within") as late:
            await asyncio.to_thread(call)
        assert late.value.waiting_on == "mlflow"
    never.set()
    await eventually(lambda: not [one for one in threading.enumerate() if one.name == "laurel-work"])
