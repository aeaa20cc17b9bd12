"""active_config.yaml changes by its three numbers alone, in one atomic replace."""

import asyncio
import os
import threading
from pathlib import Path

import pytest
import yaml

from domain.errors import NeverRetry, TryLater
from domain.points import Point, Points
from domain.values import VersionTriple
from service.adapters.files.active_config import fresh, read_active, with_defaults
from service.adapters.files.atomic import AtomicFiles, sha256_of
from service.adapters.files.config_families import FileConfigFamilies
from service.adapters.files.operations import TEMPORARY_SUFFIX
from tests.harm.faulty_operations import EIO, ENOSPC, Fault, NthFault
from tests.kit.written import written
from tests.worlds.synthetic import write_world

TRIPLE = VersionTriple(split_version=20, feature_version=300, model_version=4000)
ACTIVE = """\
# A person's comment, in ütf-8 🏗
data_contract_version: 1   # not ours to change
training_defaults:
    model_version: 1       # behind it
    # between
    feature_version:   2
    unknown: [kept]

    split_version: 3
dashboard: {model_version: 9, "training_defaults": {feature_version: 8}}
"""

FLOW = b"""data_contract_version: 1
training_defaults: {feature_version: 2 , model_version: 1,
 split_version: 3}"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_world(tmp_path, rows=1).config_root


def faults_of(text: str | bytes | None) -> list[tuple[str, int | None, str]]:
    data = text.encode() if isinstance(text, str) else text
    found = read_active(data)
    assert isinstance(found, list), found
    return [(fault.field, fault.line, fault.message) for fault in found]


FEATURE = "training_defaults.feature_version"


def with_feature(text: str) -> str:
    return ACTIVE.replace("feature_version:   2", f"feature_version:{text}")


NO_VERSIONS = ("1_0", "0x10", "0b11", "+1", "-1", "1__0", "0x1_0", "+0b1")  # which YAML reads as numbers


@pytest.mark.parametrize(
    ("text", "field", "line", "part"),
    [
        (None, "", 1, "does not exist"),
        ("", "", 1, "is empty"),
        (ACTIVE[:80], "training_defaults", 2, "missing"),
        (with_feature(" NO"), FEATURE, 6, "quote"),
        (with_feature(" 1e5"), FEATURE, 6, "as text"),
        (with_feature(" 0"), FEATURE, 6, "says 0"),
        (with_feature(" 1000001"), FEATURE, 6, "says 1000001"),
        (with_feature(" 2.0"), FEATURE, 6, "says 2.0"),
        (with_feature(" '2'"), FEATURE, 6, "not a version"),
        *((with_feature(f" {text}"), FEATURE, 6, f"says {text}") for text in NO_VERSIONS),
        (with_feature(""), FEATURE, 6, "has nothing"),
        (with_feature(" 01"), "", 6, "YAML reads 01 as 1"),
        (with_feature(" \u0661"), FEATURE, 6, "as text"),
        (ACTIVE.replace("    split_version: 3\n", ""), "training_defaults.split_version", 3, "missing"),
        ("data_contract_version: '1'\n", "data_contract_version", 1, "not a version"),
        ("data_contract_version: 1\ntraining_defaults: 3\n", "training_defaults", 2, "not a map"),
        ("data_contract_version: 1\n", "training_defaults", 1, "missing"),
        (
            ACTIVE.replace("split_version", "splt_version"),
            "training_defaults.split_version",
            3,
            "is splt_version meant",
        ),
        (
            ACTIVE.replace("training_defaults", "traning_defaults"),
            "training_defaults",
            2,
            "is traning_defaults meant",
        ),
        (ACTIVE + "dashboard: 2\n", "", 11, "the key dashboard occurs twice"),
        ("a: &a [1]\nb: *a\n", "", 2, "aliases"),
        (b"data_contract_version: \xff", "", 1, "not UTF-8"),
    ],
)
def test_an_unusable_file_is_refused_with_field_and_line(
    text: str | bytes | None, field: str, line: int, part: str
) -> None:
    """Missing, empty, truncated, mistyped, hostile."""
    found = [fault for fault in faults_of(text) if fault[0] == field]
    assert found
    assert found[0][1] == line
    assert part in found[0][2]


def test_all_faults_of_a_file_are_named_at_once() -> None:
    """A person mends the file once."""
    text = "data_contract_version: x\ntraining_defaults: {feature_version: NO, model_version: 1}\n"
    assert [field for field, _, _ in faults_of(text)] == [
        "data_contract_version",
        "training_defaults.feature_version",
        "training_defaults.split_version",
    ]


def edited(data: bytes, triple: VersionTriple) -> bytes:
    read = read_active(data)
    assert not isinstance(read, list), read
    return with_defaults(data, read[1], triple)


@pytest.mark.parametrize(
    "data",
    [
        ACTIVE.encode(),
        ACTIVE.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + ACTIVE.encode(),
        ACTIVE.rstrip("\n").encode(),
        b'{"training_defaults":{"split_version":3,"model_version":1,"feature_version":2},"data_contract_version":1}',
        FLOW,
    ],
)
def test_only_the_three_numbers_change(data: bytes) -> None:
    """Comments, order, other keys, line ends and byte order mark stay as they are."""
    there = edited(data, TRIPLE)
    back = edited(there, VersionTriple(split_version=3, feature_version=2, model_version=1))
    assert back == data
    assert yaml.safe_load(there)["training_defaults"].items() >= TRIPLE.model_dump().items()


async def test_defaults_are_read_and_rewritten_in_place(root: Path) -> None:
    """The file's own way of writing is kept; writing the same again touches nothing."""
    config, path = FileConfigFamilies(root), root / "active_config.yaml"
    before, mark = path.read_text(), written(path)
    await config.write_defaults(await config.defaults())
    assert written(path) == mark
    await config.write_defaults(TRIPLE)
    assert await config.defaults() == TRIPLE
    assert path.read_text() == (
        before.replace("feature_version: 1", "feature_version: 300")
        .replace("model_version: 1", "model_version: 4000")
        .replace("split_version: 1", "split_version: 20")
    )


async def test_a_symbolic_link_stays_one(root: Path, tmp_path: Path) -> None:
    """Configuration is often mounted that way."""
    path = root / "active_config.yaml"
    path.rename(tmp_path / "mounted.yaml")
    path.symlink_to(tmp_path / "mounted.yaml")
    await FileConfigFamilies(root).write_defaults(TRIPLE)
    assert path.is_symlink()
    assert b"4000" in (tmp_path / "mounted.yaml").read_bytes()


@pytest.mark.parametrize("content", [b"", b"training_defaults: [", b"a: 1\na: 2\n"])
async def test_an_unusable_file_is_made_anew_and_kept_beside_it(root: Path, content: bytes) -> None:
    """From the triple alone; what a person wrote is not lost."""
    path = root / "active_config.yaml"
    path.write_bytes(content)
    config = FileConfigFamilies(root)
    with pytest.raises(NeverRetry) as caught:
        await config.defaults()
    assert caught.value.reason == "bad_config"
    assert caught.value.facts["faults"][0]["file"] == "active_config.yaml"
    triple = VersionTriple(split_version=2, feature_version=1, model_version=3)
    await config.write_defaults(triple)
    assert await config.defaults() == triple
    assert config.active().data_contract_version == 1
    kept = root / "active_config.yaml.unreadable"
    assert (kept.read_bytes() if kept.exists() else b"") == content


async def test_a_missing_file_is_made_anew(root: Path) -> None:
    """As it is written when there is none to keep."""
    (root / "active_config.yaml").unlink()
    triple = VersionTriple(split_version=2, feature_version=1, model_version=3)
    await FileConfigFamilies(root).write_defaults(triple)
    assert (root / "active_config.yaml").read_bytes() == fresh(triple, 1)


async def test_what_a_killed_writer_left_is_removed_at_the_next_write(root: Path) -> None:
    """Even when there is nothing to change; a young draft may still have its writer."""
    old, young = root / f".active_config.yaml.old{TEMPORARY_SUFFIX}", root / f".new{TEMPORARY_SUFFIX}"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (1000, 1000))
    config = FileConfigFamilies(root)
    await config.write_defaults(await config.defaults())
    assert [path.exists() for path in (old, young)] == [False, True]


async def test_without_file_and_split_the_contract_is_unknown(root: Path) -> None:
    """A promoted run waits for the person who took both away."""
    (root / "active_config.yaml").unlink()
    with pytest.raises(TryLater) as caught:
        await FileConfigFamilies(root).write_defaults(
            VersionTriple(split_version=9, feature_version=1, model_version=1)
        )
    assert (caught.value.reason, caught.value.waiting_on) == ("bad_config", "config")


@pytest.mark.parametrize(("fault", "reason"), [(ENOSPC, "disk_full"), (EIO, "file_error")])
async def test_after_the_nth_fault_the_file_is_the_old_or_the_new_one(
    root: Path, fault: Fault, reason: str
) -> None:
    """Every write, fsync and rename in turn."""
    path = root / "active_config.yaml"
    old = path.read_bytes()
    new = edited(old, TRIPLE)
    for operation in ("write", "fsync", "rename"):
        for nth in range(1, 9):
            path.write_bytes(old)
            broken = NthFault(operation, nth, fault)
            config = FileConfigFamilies(root, files=AtomicFiles(broken.operations))
            if not broken.fired and not await _fails(config, reason):
                break
            assert path.read_bytes() in {old, new}
        assert nth > 1
        assert path.read_bytes() == new
    assert names_of_files(root) == ["active_config.yaml"]


def names_of_files(folder: Path) -> list[str]:
    return [found.name for found in folder.iterdir() if found.is_file()]


async def _fails(config: FileConfigFamilies, reason: str) -> bool:
    try:
        await config.write_defaults(TRIPLE)
    except TryLater as error:
        return error.reason == reason
    return False


class Noted(Points):
    """Says what the file held when a point was passed."""

    def __init__(self, path: Path) -> None:
        self.passed_with: list[tuple[Point, str]] = []
        self._path = path

    async def at(self, point: Point) -> None:
        self.passed_with.append((point, sha256_of(self._path)))


async def test_the_named_points_lie_before_and_behind_the_replace(root: Path) -> None:
    """Where the chaos cases kill."""
    path = root / "active_config.yaml"
    points = Noted(path)
    old = sha256_of(path)
    await FileConfigFamilies(root, points=points).write_defaults(TRIPLE)
    assert points.passed_with == [
        (Point.PERSIST_AFTER_TEMP, old),
        (Point.PERSIST_AFTER_REPLACE, sha256_of(path)),
    ]


def test_a_reader_sees_whole_triples_only(root: Path) -> None:
    """A hundred writes under a reader that never stops."""
    path = root / "active_config.yaml"
    seen, done = set[bytes](), threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    written = {path.read_bytes()}
    try:
        asyncio.run(_write_many(root, 100, written))
    finally:
        done.set()
        reader.join()
    assert seen <= written
    assert len(seen) > 10


async def _write_many(root: Path, count: int, written: set[bytes]) -> None:
    config, path = FileConfigFamilies(root), root / "active_config.yaml"
    for number in range(1, count + 1):
        version = 10 ** (number % 6) + number % 7  # of changing length, so that a torn read would show
        written.add(
            edited(
                path.read_bytes(),
                VersionTriple(split_version=version, feature_version=version, model_version=version),
            )
        )
        await config.write_defaults(
            VersionTriple(split_version=version, feature_version=version, model_version=version)
        )
