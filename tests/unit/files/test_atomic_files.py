"""A file appears whole or not at all."""

import errno
import os
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest

from domain.errors import NeverRetry, TryLater
from service.adapters.files import atomic
from service.adapters.files.atomic import AtomicFiles, sha256_of, sweep
from service.adapters.files.operations import TEMPORARY_SUFFIX, FileOperations
from tests.harm.faulty_operations import EIO, ENOSPC, Fault, NthFault, disk_error


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_bytes_are_replaced_whole_and_their_digest_returned(tmp_path: Path) -> None:
    """Folders that are missing are made; nothing else is left in them."""
    path = tmp_path / "a" / "b" / "file"
    for data in (b"old", b"new and longer", b""):
        assert AtomicFiles().replace(path, data) == sha256_of(path)
        assert path.read_bytes() == data
    assert names_in(path.parent) == ["file"]


def test_a_library_may_write_to_the_temporary_path(tmp_path: Path) -> None:
    """What it wrote becomes the file only at the end."""
    with AtomicFiles().draft(tmp_path / "file") as draft:
        draft.temporary.write_bytes(b"by path")
        assert not (tmp_path / "file").exists()
        draft.replace()
    assert (tmp_path / "file").read_bytes() == b"by path"


def test_nothing_remains_of_a_draft_that_was_not_finished(tmp_path: Path) -> None:
    """Left early, or left by an error: the old file stands."""
    AtomicFiles().replace(tmp_path / "file", b"old")
    with AtomicFiles().draft(tmp_path / "file") as draft:
        draft.write(b"half")
    with pytest.raises(NeverRetry):
        _write_and_fail(AtomicFiles(), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert names_in(tmp_path) == ["file"]


def _write_and_fail(files: AtomicFiles, path: Path) -> None:
    """Write as a library would that has its own words for whatever goes wrong."""
    with files.draft(path) as draft:
        with suppress(OSError):
            draft.write(b"half")
        raise NeverRetry("made_up", "the library's words for it")


def test_permissions_of_the_old_file_are_kept(tmp_path: Path) -> None:
    """Its readers keep their access; a new file has what the umask leaves."""
    path = tmp_path / "file"
    AtomicFiles().replace(path, b"1")
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    path.chmod(0o604)
    AtomicFiles().replace(path, b"2")
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


def test_short_writes_are_gone_on_with(tmp_path: Path) -> None:
    """A write may take less than it was given."""
    short = FileOperations(write=lambda fd, data: os.write(fd, data[:3]))
    AtomicFiles(short).replace(tmp_path / "file", b"0123456789")
    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_a_very_long_name_still_has_a_temporary_one(tmp_path: Path) -> None:
    """255 bytes are a name's limit."""
    path = tmp_path / ("n" * 250)
    AtomicFiles().replace(path, b"x")
    assert names_in(tmp_path) == [path.name]


def test_the_first_creator_wins(tmp_path: Path) -> None:
    """The second is told, and the file is the first one's."""
    files, path = AtomicFiles(), tmp_path / "file"
    with files.draft(path) as first, files.draft(path) as second:
        first.write(b"first")
        second.write(b"second")
        assert [first.create_once(), second.create_once()] == [True, False]
    assert path.read_bytes() == b"first"
    assert names_in(tmp_path) == ["file"]


def test_of_many_racing_creators_exactly_one_wins(tmp_path: Path) -> None:
    """Whatever the timing: a link refuses where a rename would overwrite."""
    path, won = tmp_path / "file", []
    barrier = threading.Barrier(8, timeout=30)

    def create(number: int) -> None:
        with AtomicFiles().draft(path) as draft:
            draft.write(b"%d" % number)
            barrier.wait()
            if draft.create_once():
                won.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.read_bytes()] == [b"%d" % number for number in won]
    assert names_in(tmp_path) == ["file"]


def _replace(files: AtomicFiles, path: Path) -> None:
    files.replace(path, b"new" * 1000)


def _create(files: AtomicFiles, path: Path) -> None:
    with files.draft(path.with_name("other")) as draft:
        draft.write(b"new" * 1000)
        draft.create_once()


def _error_of(act: Callable[[], None]) -> tuple[str, str | None] | None:
    try:
        act()
    except TryLater as error:
        return error.reason, error.waiting_on
    return None


@pytest.mark.parametrize("act", [_replace, _create])
@pytest.mark.parametrize("operation", ["write", "fsync", "rename", "link", "unlink"])
@pytest.mark.parametrize(("fault", "reason"), [(ENOSPC, "disk_full"), (EIO, "file_error")])
def test_the_nth_fault_leaves_old_or_new_and_never_a_mixture(
    tmp_path: Path, act: Callable[[AtomicFiles, Path], None], operation: str, fault: Fault, reason: str
) -> None:
    """The first, the second, … until a run sees no fault."""
    path = tmp_path / "file"
    for nth in range(1, 20):
        AtomicFiles().replace(path, b"old")
        broken = NthFault(operation, nth, fault)
        error = _error_of(partial(act, AtomicFiles(broken.operations), path))
        assert error == ((reason, "disk") if broken.fired else None)
        assert all(found.read_bytes() in {b"old", b"new" * 1000} for found in tmp_path.iterdir())
        if not broken.fired:
            break
    assert not broken.fired
    assert not [name for name in names_in(tmp_path) if name.endswith(TEMPORARY_SUFFIX)]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_told_with_path_and_free_bytes(tmp_path: Path, code: int) -> None:
    """So that a person can make room, and the run goes on."""
    broken = NthFault("write", 1, disk_error(code))
    with pytest.raises(TryLater) as caught:
        AtomicFiles(broken.operations).replace(tmp_path / "file", b"x")
    assert caught.value.reason == "disk_full"
    assert caught.value.facts["path"] == str(tmp_path / "file")
    assert caught.value.facts["free_bytes"] > 0
    assert isinstance(caught.value.__cause__, OSError)


def test_an_error_of_the_disk_is_not_hidden_by_the_library_that_met_it(tmp_path: Path) -> None:
    """A writer that turns OSError into its own error still ends in disk_full."""
    files = AtomicFiles(NthFault("write", 1, ENOSPC).operations)
    with pytest.raises(TryLater) as caught:
        _write_and_fail(files, tmp_path / "file")
    assert caught.value.reason == "disk_full"


def test_a_folder_that_cannot_be_made_is_a_file_error(tmp_path: Path) -> None:
    """A person may have put a file where a folder should be."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(TryLater) as caught:
        AtomicFiles().replace(tmp_path / "file" / "below", b"x")
    assert (caught.value.reason, caught.value.facts["errno"]) == ("file_error", "ENOTDIR")


def test_file_and_folder_are_synced_in_order(tmp_path: Path) -> None:
    """The bytes before the rename, the name after it."""
    did: list[str] = []

    def note(name: str, real: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: object) -> None:
            did.append(f"{name} folder" if name == "fsync" and _is_folder(arguments[0]) else name)
            real(*arguments)

        return call

    real = FileOperations()
    noted = FileOperations(
        fsync=note("fsync", real.fsync), rename=note("rename", real.rename), link=note("link", real.link)
    )
    AtomicFiles(noted).replace(tmp_path / "file", b"x")
    _create(AtomicFiles(noted), tmp_path / "file")
    assert did == ["fsync", "rename", "fsync folder", "fsync", "link", "fsync folder"]


def _is_folder(fd: object) -> bool:
    return isinstance(fd, int) and stat.S_ISDIR(os.fstat(fd).st_mode)


def test_removing_is_safe_to_repeat(tmp_path: Path) -> None:
    """A file that is gone is gone."""
    AtomicFiles().replace(tmp_path / "file", b"x")
    AtomicFiles().remove(tmp_path / "file")
    AtomicFiles().remove(tmp_path / "file")
    assert names_in(tmp_path) == []


def test_a_copy_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its memory does not depend on the size of the file."""
    monkeypatch.setattr(atomic, "_CHUNK", 10)
    (tmp_path / "source").write_bytes(os.urandom(95))
    assert AtomicFiles().copy(tmp_path / "source", tmp_path / "copy") == sha256_of(tmp_path / "source")
    assert sha256_of(tmp_path / "copy") == sha256_of(tmp_path / "source")


def _block_by_block(target: int, source: int) -> None:
    """A file system that shares blocks, as far as can be seen from outside."""
    os.pwrite(target, os.pread(source, 1 << 20, 0), 0)


def _not_here(*_: object) -> NoReturn:
    raise OSError(errno.EOPNOTSUPP, "this file system cannot")


def test_a_file_that_shares_its_blocks_is_digested_as_a_copy_is(tmp_path: Path) -> None:
    """Nothing is written, and whoever listens hears every byte."""
    (tmp_path / "source").write_bytes(b"rows")
    heard: list[bytes] = []
    files = AtomicFiles(FileOperations(write=_not_here, clone=_block_by_block))
    with files.draft(tmp_path / "clone") as draft:
        draft.take(tmp_path / "source", heard.append)
        draft.replace()
    assert (tmp_path / "clone").read_bytes() == b"".join(heard) == b"rows"
    assert (draft.size, draft.sha256) == (4, sha256_of(tmp_path / "source"))


def test_what_no_kernel_clones_is_refused() -> None:
    """Whatever the file system: a pipe has no blocks. Then bytes are copied."""
    read, write = os.pipe()
    with os.fdopen(read), os.fdopen(write), pytest.raises(OSError, match="Errno"):
        FileOperations().clone(write, read)


@pytest.mark.parametrize(
    ("operations", "names"),
    [
        (FileOperations(clone=_block_by_block), 1),
        (FileOperations(clone=_not_here), 2),
        (FileOperations(clone=_not_here, link=_not_here), 1),
    ],
)
def test_a_file_is_shared_by_blocks_or_by_name_or_copied(
    tmp_path: Path, operations: FileOperations, names: int
) -> None:
    """In this order; of all three the bytes are the same, and nothing is left beside them."""
    source, path = tmp_path / "source", tmp_path / "shared"
    source.write_bytes(b"rows")
    path.write_bytes(b"old")
    AtomicFiles(operations).share(source, path)
    assert (path.read_bytes(), path.stat().st_nlink) == (b"rows", names)
    assert names_in(tmp_path) == ["shared", "source"]


def test_an_owner_who_begins_again_removes_what_the_time_before_left(tmp_path: Path) -> None:
    """Others' drafts stay; a writer who was only slow loses his, and does not spoil the file."""
    files, path = AtomicFiles(), tmp_path / "a [1]*"
    with files.draft(path, "other") as other:
        with pytest.raises(TryLater):
            _overtaken(files, path)
        assert other.temporary.exists()
    assert path.read_bytes() == b"again"
    assert names_in(tmp_path) == [path.name]


def _overtaken(files: AtomicFiles, path: Path) -> None:
    with files.draft(path, "run") as slow:
        slow.write(b"slow")
        with files.draft(path, "run") as again:
            again.write(b"again")
            again.replace()
        slow.replace()


def test_sweeping_takes_old_leftovers_and_nothing_else(tmp_path: Path) -> None:
    """A young one may have a writer; any other file is somebody's."""
    (tmp_path / "below").mkdir()
    for name in (
        f".a.{TEMPORARY_SUFFIX}",
        f"below/.b.0123{TEMPORARY_SUFFIX}",
        "keep",
        f"below/c{TEMPORARY_SUFFIX}",
    ):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (1000, 1000))
    (tmp_path / f".young{TEMPORARY_SUFFIX}").write_bytes(b"")
    os.utime(tmp_path / f".young{TEMPORARY_SUFFIX}", (1999, 1999))
    swept = sweep(tmp_path, older_than_seconds=100, now=2000)
    assert [path.name for path in swept] == [f".a.{TEMPORARY_SUFFIX}", f".b.0123{TEMPORARY_SUFFIX}"]
    assert names_in(tmp_path) == [f".young{TEMPORARY_SUFFIX}", "below", "keep"]
    assert sweep(tmp_path / "nowhere", older_than_seconds=0) == []


def test_a_source_that_is_missing_is_named_and_no_full_disk(tmp_path: Path) -> None:
    """A data root was moved, say: the run's own paths still begin with the old one."""
    source = tmp_path / "old root" / "train.parquet"
    with pytest.raises(TryLater) as caught:
        AtomicFiles().copy(source, tmp_path / "new root" / "train.parquet")
    assert caught.value.reason == "file_error"
    assert caught.value.facts["path"] == str(source)
    assert caught.value.message == f"{source}: No such file or directory (ENOENT)"


def test_a_disk_without_free_inodes_is_called_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much room it has: nobody should look for large files."""
    disk = os.statvfs(tmp_path)
    full = os.statvfs_result([0 if place == 7 else number for place, number in enumerate(disk)])
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    with pytest.raises(TryLater) as caught:
        AtomicFiles(NthFault("write", 1, ENOSPC).operations).replace(tmp_path / "file", b"1")
    assert caught.value.reason == "disk_full"
    assert "no inode is free" in caught.value.message
    assert "bytes are free" not in caught.value.message
    assert caught.value.facts["free_inodes"] == 0
