"""A worker that could not write looks before it takes any work."""

from pathlib import Path

import pytest

from domain.errors import Stop
from service.roots import require_roots

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


def test_a_file_is_no_root(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Stop, match="is no folder"):
        require_roots({"DATA_ROOT": tmp_path / "file"})
