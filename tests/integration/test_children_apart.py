"""What is injected into Python stays out of children, and nothing of a killed one stays on the machine."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from domain.errors import Stop, TryLater
from service.processes.pool import ChildSet
from tests.integration.test_warm_children import running, task
from tests.kit.eventually import eventually

_STARTS_A_THREAD = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()\n"


@pytest.mark.parametrize("name", ["sitecustomize.py", "sitecustomize/__init__.py"])
async def test_what_starts_threads_in_each_process_stays_out_of_children(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `opentelemetry-instrument` does it; the folder may hold what is needed, too."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(_STARTS_A_THREAD)
    (tmp_path / "needed.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    async with running(preload=("needed",)) as children, children.lease() as leased:
        assert await leased.run("train", task("threads")) == 1


async def test_threads_that_nobody_can_keep_out_are_named_with_what_brings_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uncustomized = tmp_path / "uncustomized"
    uncustomized.mkdir()
    (uncustomized / "sitecustomize.py").write_text(_STARTS_A_THREAD)
    monkeypatch.setattr("service.processes.fork_client._UNCUSTOMIZED", uncustomized)
    with pytest.raises(Stop, match="injected into each process"):
        async with running():
            pass


async def test_a_killed_child_leaves_no_shared_memory_no_semaphore_and_no_file(tmp_path: Path) -> None:
    """Killed by us, then from outside; what a killed fork parent has left goes with the next one."""
    async with running() as children, children.lease() as leased:
        for end in (cancelled, killed_from_outside):
            work, pid, left = await _at_work(leased, tmp_path / end.__name__)
            assert {path.parent.name for path in left} == {"shm", str(pid)}
            assert there(left) == left
            await end(leased, pid)
            with pytest.raises(TryLater):
                await work
            assert there(left) == []
        work, pid, left = await _at_work(leased, tmp_path / "started")
        os.kill(children.pids()["fork_parent"], signal.SIGKILL)
        with pytest.raises(TryLater):
            await work
        assert await leased.run("train", task("pid")) != pid
        files = [path for path in left if path.parent.name == str(pid) or "loky" in path.name]
        assert files
        await eventually(lambda: not there(files))


async def test_stopping_leaves_no_temporary_folder() -> None:
    async with running() as children:
        async with children.lease() as leased:
            folder = Path(str(await leased.run("train", task("variable"), name="TMPDIR")))
        assert there([folder])
    assert not there([folder.parent])


async def cancelled(leased: ChildSet, _: int) -> None:
    await leased.cancel("train")


async def killed_from_outside(_: ChildSet, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


async def _at_work(leased: ChildSet, started: Path) -> tuple[asyncio.Task[object], int, list[Path]]:
    work = asyncio.create_task(leased.run("train", task("work_in_pools"), started=str(started)))
    pid, *left = (await eventually(lambda: told_in(started))).split("\n")
    return work, int(pid), [Path(path) for path in left]


def told_in(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def there(paths: list[Path]) -> list[Path]:
    return [path for path in paths if path.exists()]
