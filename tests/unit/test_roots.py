"""A worker that could not write looks before it takes any work."""

import errno
import os
from pathlib import Path

import pytest

from domain.errors import Stop
from service.adapters.files.probe import probe
from service.lifecycle.preflight import Written, require_roots

UNWRITABLE = Path("/proc")  # even for root


def test_folders_that_can_be_written_are_taken_and_left_as_they_are(tmp_path: Path) -> None:
    require_roots({"CONFIG_ROOT": tmp_path, "DATA_ROOT": tmp_path})

    assert list(tmp_path.iterdir()) == []


def test_every_root_that_is_not_usable_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(Stop) as caught:
        require_roots({"CONFIG_ROOT": UNWRITABLE, "DATA_ROOT": tmp_path / "not-mounted"})

    assert caught.value.reason == "root_unusable"
    assert "CONFIG_ROOT: /proc cannot be written" in caught.value.message
    assert "DATA_ROOT: " in caught.value.message
    assert not (tmp_path / "not-mounted").exists()


def test_what_cannot_even_be_looked_at_is_named(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "unmounted")
    with pytest.raises(Stop, match=r"cannot be inspected \(File name too long"):
        require_roots({"DATA_ROOT": tmp_path / ("a" * 300)})
    with pytest.raises(Stop, match="link cannot be written: making a directory is refused"):
        require_roots({}, [Written("DVC__REMOTE_URL", tmp_path / "link" / "files")])


def test_a_file_is_no_root(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Stop, match="is not a directory"):
        require_roots({"DATA_ROOT": tmp_path / "file"})


CALLS = {
    "making a directory": "mkdir",
    "writing": "open",
    "fsync": "fsync",
    "chmod": "chmod",
    "rename over a file": "replace",
    "a hard link": "link",
    "removing": "unlink",
}


@pytest.mark.parametrize("call", CALLS)
def test_the_call_that_a_file_system_refuses_is_named_with_the_folder(tmp_path: Path, call: str) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    with pytest.MonkeyPatch.context() as broken:
        owner = Path if call == "writing" else os
        broken.setattr(owner, "write_bytes" if call == "writing" else CALLS[call], refused)
        with pytest.raises(Stop, match=f"{tmp_path} cannot be written: {call} is refused .Operation not"):
            require_roots({}, [Written("DVC__CACHE_FOLDER", tmp_path / "cache" / "files", links=True)])
    assert probe(tmp_path) is None


def test_a_full_disk_is_waited_for_and_hard_links_are_asked_for_only_where_they_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "link", full)
    require_roots({"DATA_ROOT": tmp_path})
    require_roots({"DATA_ROOT": tmp_path}, [Written("DATA_ROOT", tmp_path, links=True)])
    assert "No space left" in str(probe(tmp_path, links=True))
    assert list(tmp_path.iterdir()) == []


def test_of_a_folder_that_is_not_there_yet_the_one_above_it_is_tried(tmp_path: Path) -> None:
    require_roots({}, [Written("DVC__REMOTE_URL", tmp_path / "a" / "b")])
    with pytest.raises(Stop, match="DVC__REMOTE_URL: /proc cannot be written: making a directory is refused"):
        require_roots({}, [Written("DVC__REMOTE_URL", UNWRITABLE / "cache")])
    (tmp_path / "file").touch()
    with pytest.raises(Stop, match="Not a directory"):
        require_roots({}, [Written("DVC__CACHE_FOLDER", tmp_path / "file")])
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
