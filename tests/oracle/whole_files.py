"""I6: whoever reads a file reads a whole one, and the one that was recorded."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from tests.oracle.facts import Triple, Violation, World
from tests.oracle.reading import triple_of

_VERSION: Final = re.compile(rb"((?:feature|model|split)_version:\s*)\d+")


def whole_files(world: World, *, at_rest: bool) -> Iterator[Violation]:
    """Check samples of active_config.yaml and the digests of the data files."""
    yield from _active(world)
    for row in world.runs:
        for name, file in _parts(row.outputs).items():
            found = world.files.get(file["path"])
            if name != "master" and found not in {None, file["sha256"]} and not _edited(file["path"], world):
                yield Violation("I6", file["path"], f"is {found}, and was recorded as {file['sha256']}")
    yield from _published(world)
    if at_rest:
        for path, age in world.temporaries.items():
            if age > world.longest_write_seconds:
                yield Violation("I6", path, f"a temporary file is {age:.0f} s old")


def defaults_in(active: bytes) -> Triple | None:
    """The triple of `training_defaults`; None when the text does not hold one."""
    try:
        return triple_of(yaml.safe_load(active)["training_defaults"])
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        return None


def _active(world: World) -> Iterator[Violation]:
    if not world.active:
        return
    first = world.active[0]
    allowed = {triple_of(json.loads(row.content).get("triple")) for row in world.ledger} | {
        defaults_in(first)
    }
    for sample in set(world.active):
        if defaults_in(sample) is None or defaults_in(sample) not in allowed:
            yield Violation("I6", "active_config.yaml", f"was read with the defaults {defaults_in(sample)}")
        elif _VERSION.sub(rb"\1", sample) != _VERSION.sub(rb"\1", first):
            yield Violation("I6", "active_config.yaml", "something else than three numbers has changed")


def _parts(outputs: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    split = outputs.get("split")
    if split is None:
        return {}
    own = {name: split[name] for name in ("master", "train", "reference")}
    return own | dict(split["optional_tests"])


def _published(world: World) -> Iterator[Violation]:
    """`splits/vN/` holds files of runs, each whole; which run's is nobody's promise."""
    known: dict[str, set[str]] = {}
    for row in world.runs:
        version = ((row.outputs.get("resolve") or {}).get("triple") or {}).get("split_version")
        for name, file in _parts(row.outputs).items():
            place = "train.parquet" if name == "train" else f"optional_tests/{name}.parquet"
            known.setdefault(f"{world.data_root}/splits/v{version}/{place}", set()).add(file["sha256"])
    for path, digest in world.files.items():
        if path.startswith(f"{world.data_root}/splits/v") and digest not in known.get(path, set()):
            yield Violation("I6", path, f"{digest} is what no run made")


def _edited(path: str, world: World) -> bool:
    return any(edit.path == path for edit in world.did.edits)
