"""A split that meets a broken or full disk, or a kill, leaves whole files, and a repeat succeeds."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from domain.datasets import SplitParts, manifest_of, named_files
from domain.errors import TryLater
from service.adapters.files.atomic import AtomicFiles, sha256_of
from service.adapters.files.operations import TEMPORARY_SUFFIX
from service.adapters.files.split_parts import publish_split
from service.adapters.polars import repeats
from service.lifecycle.steps.jobs import SplitJob
from service.lifecycle.steps.split_job import run_split
from tests.harm.faulty_operations import EIO, ENOSPC, Fault, NthFault
from tests.worlds.split_jobs import assert_whole, small_job, small_table

OPERATIONS = ("write", "fsync", "rename", "link", "unlink")


@pytest.fixture(autouse=True)
def _six_keys_are_spilled(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that each fault hits the spill, too."""
    monkeypatch.setattr(repeats, "HELD", 2)


def whole_digests(tmp_path: Path) -> dict[str, str]:
    """Split elsewhere without faults: what each part has to be, if it is there."""
    parts = run_split(small_job(tmp_path / "without faults", small_table()))
    return {Path(file.path).name: file.sha256 for file in named_files(parts).values()}


def torn_files(folder: Path, whole: dict[str, str]) -> list[Path]:
    return [path for path in folder.rglob("*.parquet") if sha256_of(path) != whole[path.name]]


def leftovers(folder: Path) -> list[Path]:
    return list(folder.rglob(f"*{TEMPORARY_SUFFIX}"))


@pytest.mark.parametrize(("fault", "reason"), [(ENOSPC, "disk_full"), (EIO, "file_error")])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_after_the_nth_fault_of_a_split_every_file_is_whole(
    tmp_path: Path, operation: str, fault: Fault, reason: str
) -> None:
    """The first call, the second, … until a run sees no fault; each time the repeat makes the same parts."""
    whole = whole_digests(tmp_path)
    expected = {**manifest_of(run_split(small_job(tmp_path / "x", small_table())))}
    for nth in range(1, 60):
        folder = tmp_path / f"{nth}"
        job, broken = small_job(folder, small_table()), NthFault(operation, nth, fault)
        if not _fails(job, broken, reason):
            break
        assert not torn_files(folder, whole)
        assert not leftovers(folder)
        repeated = run_split(job)
        assert manifest_of(repeated) == expected
        assert_whole(repeated)
    assert not broken.fired


def _fails(job: SplitJob, broken: NthFault, reason: str) -> bool:
    try:
        run_split(job, AtomicFiles(broken.operations))
    except TryLater as error:
        assert broken.fired
        assert (error.reason, error.waiting_on) == (reason, "disk")  # noqa: PT017 - a run without a fault is fine
        return True
    return broken.fired  # a leftover that could not be removed is no reason to fail


@pytest.mark.parametrize("fault", [ENOSPC, EIO])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_after_the_nth_fault_of_publishing_every_file_is_whole(
    tmp_path: Path, operation: str, fault: Fault
) -> None:
    """The old copy or the new one, file by file."""
    old = run_split(small_job(tmp_path / "old", small_table()))
    new = run_split(small_job(tmp_path / "new", small_table(price=[9.0] * 6)))
    whole = {file.sha256 for parts in (old, new) for file in named_files(parts).values()}
    for nth in range(1, 40):
        folder = tmp_path / "splits" / f"v{nth}"
        publish_split(old, folder)
        broken = NthFault(operation, nth, fault)
        if not _publishing_fails(new, folder, broken):
            break
        assert {sha256_of(path) for path in folder.rglob("*.*")} <= whole
    assert not broken.fired


def _publishing_fails(parts: SplitParts, folder: Path, broken: NthFault) -> bool:
    try:
        publish_split(parts, folder, AtomicFiles(broken.operations))
    except TryLater:
        return True
    return broken.fired


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("share", [0.1, 0.4, 0.9])
def test_a_split_goes_on_when_there_is_room_again(tmp_path: Path, share: float) -> None:
    """The kernel itself refuses: in the copy of the master, or in what the engine writes."""
    job = small_job(tmp_path, small_table(blob=[os.urandom(300_000) for _ in range(6)]))
    with largest_file(int(job.master.stat().st_size * share)), pytest.raises(TryLater) as caught:
        run_split(job)
    assert caught.value.reason == "disk_full"
    assert caught.value.facts["free_bytes"] > 0
    assert not leftovers(tmp_path)
    assert_whole(run_split(job))


KILLED = ["fsync", "rename", *(pytest.param(name, marks=pytest.mark.soak) for name in ("write", "link"))]


@pytest.mark.parametrize("operation", KILLED)
def test_after_a_kill_at_the_nth_call_every_file_is_whole(tmp_path: Path, operation: str) -> None:
    """A kill -9 leaves temporary files at most; the repeat removes them and makes the same parts."""
    whole = whole_digests(tmp_path)
    folder = tmp_path / "killed"
    small_job(folder, small_table())
    *killed, last = _kill_at_each_call(folder, operation)
    assert killed == [9] * len(killed) != []
    assert last == 0
    for attempt in sorted(folder.glob("[0-9]*")):
        assert not torn_files(attempt, whole)
        assert_whole(run_split(small_job(attempt)))
        assert not leftovers(attempt)


def _kill_at_each_call(folder: Path, operation: str) -> list[int]:
    module, root = "tests.integration.files.killed_split", Path(__file__).parents[3]
    command = [sys.executable, "-m", module, str(folder), operation]
    done = subprocess.run(command, check=True, timeout=120, cwd=root, capture_output=True, text=True)  # noqa: S603 - our own module
    return [int(line) for line in done.stdout.split()]
