"""Versioning on real folders: what was pushed can be pulled, and every object is looked at."""

import errno
import fcntl
import hashlib
import os
import random
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import ANY

import pytest

from domain.datasets import DatasetHashes, SplitParts
from domain.errors import NeverRetry, TryLater
from service.lifecycle.steps.jobs import VersionJob
from service.lifecycle.steps.version_job import version, warm_up
from tests.worlds.split_on_disk import CONTENT, split_on_disk

ROOT = Path(__file__).parents[3]
Version = Callable[..., DatasetHashes]


@pytest.fixture
def parts(tmp_path: Path) -> SplitParts:
    """One run's split."""
    return split_on_disk(tmp_path, "a")


@pytest.fixture
def versioned(tmp_path: Path, parts: SplitParts) -> Version:
    """Version that split; the remote is a folder unless said otherwise."""

    def call(remote_url: str = str(tmp_path / "remote")) -> DatasetHashes:
        job = VersionJob(
            parts=parts,
            workspace=tmp_path / "runs" / "a" / "dvc",
            cache=tmp_path / "cache",
            remote_url=remote_url,
        )
        return version(job)

    return call


def objects(folder: Path) -> dict[str, bytes]:
    """What a cache or a remote holds, by md5."""
    files = [path for path in (folder / "files" / "md5").rglob("[!.]*") if path.is_file()]
    return {path.parent.name + path.name: path.read_bytes() for path in files}


def object_path(folder: Path, oid: str) -> Path:
    return folder / "files" / "md5" / oid[:2] / oid[2:]


def spoil(path: Path) -> None:
    """Change one byte of a read-only file and leave everything else as it was."""
    before = path.stat()
    path.chmod(0o644)
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    path.chmod(stat.S_IMODE(before.st_mode))


def test_what_was_pushed_can_be_pulled_by_plain_dvc(versioned: Version, tmp_path: Path) -> None:
    """Into an empty folder, with nothing but the pointers and the remote; every byte is the same."""
    versioned()
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(tmp_path / "runs" / "a" / "dvc", elsewhere)
    shutil.rmtree(tmp_path / "cache")
    subprocess.run(
        [sys.executable, "-m", "dvc", "pull", "--quiet"],
        cwd=elsewhere,
        check=True,
        env={**os.environ, "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(tmp_path / "site")},
    )
    pulled = {
        path.relative_to(elsewhere).as_posix(): path.read_bytes() for path in elsewhere.rglob("*.parquet")
    }
    assert pulled == {
        "processed/master.parquet": CONTENT["master"],
        "splits/v3/train.parquet": CONTENT["train"],
        "splits/v3/optional_tests/recent_12_month.parquet": CONTENT["recent_12_month"],
        "reference/tests/v3/test_reference.parquet": CONTENT["reference"],
    }


def test_every_object_is_at_the_remote_under_its_md5(versioned: Version, tmp_path: Path) -> None:
    hashes = versioned()
    held = objects(tmp_path / "remote")
    named = {hashes.dvc_split_hash, hashes.dvc_reference_hash, *hashes.files.values()}
    assert held.keys() == named
    for oid, content in held.items():
        assert hashlib.md5(content, usedforsecurity=False).hexdigest() == oid.removesuffix(".dir")


@pytest.mark.usefixtures("own_environment")
def test_a_folder_may_be_named_by_a_relative_path_or_a_file_url(versioned: Version, tmp_path: Path) -> None:
    """The pointers' configuration names it in a way that holds from anywhere."""
    os.chdir(tmp_path)
    for url in ("remote a", f"file://{tmp_path}/remote%20a"):
        versioned(url)
        config = (tmp_path / "runs" / "a" / "dvc" / ".dvc" / "config").read_text()
        assert f'url = "{tmp_path}/remote a"' in config
    assert len(objects(tmp_path / "remote a")) == 6


def test_no_file_of_the_user_is_linked_changed_or_made_read_only(
    versioned: Version, parts: SplitParts
) -> None:
    files = [Path(file.path) for file in (parts.master, parts.train, parts.reference)]
    before = [(path.stat(), path.read_bytes()) for path in files]
    versioned()
    for path, (status, content) in zip(files, before, strict=True):
        now = path.stat()
        assert (now.st_ino, now.st_nlink, now.st_mode) == (status.st_ino, 1, status.st_mode)
        assert path.read_bytes() == content


def test_an_edit_of_a_runs_file_never_reaches_the_cache(
    versioned: Version, parts: SplitParts, tmp_path: Path
) -> None:
    hashes = versioned()
    Path(parts.train.path).write_bytes(b"edited")
    assert object_path(tmp_path / "cache", hashes.files["train"]).read_bytes() == CONTENT["train"]


@pytest.mark.parametrize("place", ["cache", "remote"])
@pytest.mark.parametrize("part", ["train", "master", "dvc_split_hash"])
def test_an_object_that_is_wrong_by_one_byte_is_found_and_mended(
    versioned: Version, tmp_path: Path, place: str, part: str
) -> None:
    """DVC itself takes a read-only object for whole without looking."""
    hashes = versioned()
    path = object_path(tmp_path / place, hashes.files.get(part) or hashes.dvc_split_hash)
    whole = path.read_bytes()
    spoil(path)
    assert path.read_bytes() != whole
    assert versioned().files == hashes.files
    assert path.read_bytes() == whole


def test_an_object_that_the_remote_lost_is_pushed_again(versioned: Version, tmp_path: Path) -> None:
    hashes = versioned()
    path = object_path(tmp_path / "remote", hashes.files["reference"])
    path.unlink()
    versioned()
    assert path.read_bytes() == CONTENT["reference"]


def test_a_remote_that_vanished_is_not_made_anew(versioned: Version, tmp_path: Path) -> None:
    """A disk that is not mounted leaves an empty folder in its place."""
    versioned()
    (tmp_path / "remote").rename(tmp_path / "unmounted")
    (tmp_path / "remote").mkdir()
    with pytest.raises(TryLater) as refusal:
        versioned()
    assert (refusal.value.reason, refusal.value.waiting_on) == ("dvc_remote_unavailable", "dvc_remote")
    assert objects(tmp_path / "remote") == {}
    (tmp_path / "remote").rmdir()
    (tmp_path / "unmounted").rename(tmp_path / "remote")
    assert versioned().files.keys() == CONTENT.keys()


def test_a_full_disk_is_named_and_the_retry_goes_on(versioned: Version, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))
    try:
        with pytest.raises(TryLater) as refusal:
            versioned()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    facts = refusal.value.facts
    assert (refusal.value.reason, facts["waiting_on"]) == ("disk_full", "disk")
    assert facts["errno"] == errno.errorcode[errno.EFBIG]
    assert facts["free_bytes"] > 0
    assert versioned().files.keys() == CONTENT.keys()
    assert not list(tmp_path.glob("cache/**/*.laurel-tmp"))


def test_a_full_disk_of_the_remote_is_named_too(versioned: Version, tmp_path: Path) -> None:
    """The cache holds everything already; only the remote has to grow, on a disk of its own."""
    versioned()
    with TemporaryDirectory(dir="/dev/shm") as remote:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))
        try:
            with pytest.raises(TryLater) as refusal:
                versioned(remote)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert refusal.value.reason == "disk_full"
        versioned(remote)
        assert objects(Path(remote)) == objects(tmp_path / "remote")


def test_a_folder_beside_the_cache_holds_its_objects_without_their_room(
    versioned: Version, tmp_path: Path
) -> None:
    """By a second name where the file system shares no blocks; the cache may be emptied all the same."""
    hashes = versioned()
    held = objects(tmp_path / "remote")
    for oid in held:
        cached, pushed = (object_path(tmp_path / place, oid).stat() for place in ("cache", "remote"))
        assert pushed.st_ino == cached.st_ino or pushed.st_nlink == 1
        assert stat.S_IMODE(pushed.st_mode) == 0o444
    shutil.rmtree(tmp_path / "cache")
    assert objects(tmp_path / "remote") == held
    assert versioned() == hashes.model_copy(update={"seconds": ANY})


def test_locks_and_indexes_of_dvc_are_not_shared_with_anyone(versioned: Version, tmp_path: Path) -> None:
    """Torn, stale and held ones lie where DVC has them; nothing of it matters."""
    temporary = tmp_path / "runs" / "a" / "dvc" / ".dvc" / "tmp"
    temporary.mkdir(parents=True)
    (temporary / "rwlock").write_text('{"/data": {"write": {"pid": 1, "cmd"')
    with (temporary / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert versioned().files.keys() == CONTENT.keys()


@pytest.mark.parametrize("count", [4, pytest.param(8, marks=pytest.mark.soak)])
def test_workers_version_one_reference_side_by_side(tmp_path: Path, count: int) -> None:
    """Each eight times: all succeed, with equal hashes."""
    workers = [_versioner(tmp_path, f"run-{number}", rounds=8) for number in range(count)]
    for worker in workers:
        assert worker.stdout
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin
        worker.stdin.write("go\n")
        worker.stdin.flush()
    answers = [line for worker in workers for line in worker.communicate(timeout=120)[0].splitlines()]
    assert [worker.returncode for worker in workers] == [0] * count
    assert len(answers) == 8 * count
    assert len(set(answers)) == 1
    assert len(objects(tmp_path / "remote")) == 6


@pytest.mark.parametrize("times", [4, pytest.param(20, marks=pytest.mark.soak)])
def test_a_versioning_that_is_killed_succeeds_when_it_is_repeated(
    versioned: Version, tmp_path: Path, times: int
) -> None:
    """At so many moments between its start and its end."""
    expected = versioned()
    moments = random.Random(20)
    for _ in range(times):
        for place in ("cache", "remote"):
            shutil.rmtree(tmp_path / place)
        worker = _versioner(tmp_path, "a", rounds=1)
        assert worker.stdin
        assert worker.stdout
        assert worker.stdout.readline() == "ready\n"
        worker.stdin.write("go\n")
        worker.stdin.flush()
        time.sleep(moments.uniform(0, 0.06))
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
        assert versioned().files == expected.files
        for place in ("cache", "remote"):
            for oid, content in objects(tmp_path / place).items():
                assert hashlib.md5(content, usedforsecurity=False).hexdigest() == oid.removesuffix(".dir")


def test_leftovers_of_killed_attempts_are_swept_and_those_of_living_ones_are_not(
    versioned: Version, tmp_path: Path
) -> None:
    oid = versioned().files["train"]
    object_path(tmp_path / "remote", oid).unlink()
    places = [tmp_path / "cache" / "laurel" / "incoming", object_path(tmp_path / "remote", oid).parent]
    for place in places:
        for name, age in (("old", 7200), ("young", 60)):
            left = place / f".{name}.laurel-tmp"
            left.write_bytes(b"half")
            os.utime(left, (time.time() - age, time.time() - age))
    versioned()
    assert [path.name for place in places for path in place.glob(".*")] == [".young.laurel-tmp"] * 2


def test_a_note_that_was_torn_is_no_harm(versioned: Version, tmp_path: Path) -> None:
    expected = versioned()
    notes = [path for path in (tmp_path / "cache" / "laurel" / "md5-by-sha256").rglob("*") if path.is_file()]
    assert len(notes) == len(CONTENT)
    for note, content in zip(notes, (b"", b"../../etc", b"\xff\xfe", b"0" * 32), strict=True):
        note.write_bytes(content)
    assert versioned().files == expected.files


def test_a_remote_whose_client_is_not_installed_is_refused_with_its_name(versioned: Version) -> None:
    with pytest.raises(NeverRetry) as refusal:
        versioned("s3://user:can@ary@bucket/path?sig=canary")
    assert refusal.value.reason == "dvc_remote_unusable"
    assert "dvc-s3" in refusal.value.message
    assert "ary" not in f"{refusal.value.message} {refusal.value.facts}"


def test_the_warm_up_needs_nothing_and_leaves_nothing() -> None:
    warm_up()


def _versioner(data_root: Path, run_id: str, rounds: int) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "-m", "tests.integration.dvc.versioner", str(data_root), run_id, str(rounds)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
