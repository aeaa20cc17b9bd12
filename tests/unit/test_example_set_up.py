"""The example is set up in empty folders, and nobody's own folder is touched."""

from pathlib import Path

import pytest

from domain.errors import Stop
from service.local.demo.__main__ import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("config", "data"):
        (tmp_path / name).mkdir(mode=0o700)
    return tmp_path


def test_empty_folders_get_the_example_and_keep_their_rights(folder: Path) -> None:
    assert "2930 sales" in main(folder)

    assert (folder / "data" / "processed" / "master.parquet").is_file()
    assert (folder / "config" / "active_config.yaml").is_file()
    assert (folder / "config" / "models" / "v3.yaml").is_file()
    assert {(folder / name).stat().st_mode & 0o777 for name in ("config", "data")} == {0o700}


@pytest.mark.parametrize("name", ["config", "data"])
def test_folders_that_hold_anything_are_left_alone(folder: Path, name: str) -> None:
    (folder / name / "own").touch()

    assert main(folder).startswith("left as it is")
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == ["own"]


def test_a_second_time_changes_nothing(folder: Path) -> None:
    main(folder)
    (folder / "config" / "active_config.yaml").write_text("changed", encoding="utf-8")
    main(folder)

    assert (folder / "config" / "active_config.yaml").read_text(encoding="utf-8") == "changed"


def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(Stop, match=r"data: .* is not a directory"):
        main(tmp_path)
