"""I7: a reference and a configuration file stay what they were at their first use."""

from collections.abc import Iterator
from typing import Any, Final

from tests.oracle.facts import RunRow, Violation, World

_FAMILIES: Final = ("data_contracts", "splits", "features", "models")


def frozen(world: World, *, at_rest: bool) -> Iterator[Violation]:
    """Check files and runs against first uses, and that no row both trains and judges."""
    del at_rest
    first = {(use.kind, use.name): use.digest for use in world.first_uses}
    for (kind, name), digest in first.items():
        path = _path(kind, name, world)
        found = world.files.get(path)
        if found != digest and not any(edit.path == path for edit in world.did.edits):
            yield Violation("I7", path, f"is {found}, and was {digest} at its first use")
    for row in world.runs:
        yield from _used_as_first(row, first)
        yield from _apart(row, world)


def _path(kind: str, name: str, world: World) -> str:
    if kind == "reference":
        return f"{world.data_root}/reference/tests/{name}/test_reference.parquet"
    return f"{world.config_root}/{kind}/{name}.yaml"


def _used_as_first(row: RunRow, first: dict[tuple[str, str], str]) -> Iterator[Violation]:
    for kind, name, digest in _uses(row):
        if first.get((kind, name)) != digest:
            yield Violation(
                "I7", row.run_id, f"used {kind} {name} as {digest}, first was {first.get((kind, name))}"
            )


def _uses(row: RunRow) -> Iterator[tuple[str, str, str]]:
    resolved: dict[str, Any] | None = row.outputs.get("resolve")
    if resolved is None:
        return
    triple = resolved["triple"]
    names = (
        resolved["contract"]["version"],
        triple["split_version"],
        triple["feature_version"],
        triple["model_version"],
    )
    for family, version in zip(_FAMILIES, names, strict=True):
        yield family, f"v{version}", resolved["digests"][family]
    if row.outputs.get("split") is not None:
        yield "reference", f"v{triple['split_version']}", row.outputs["split"]["reference"]["sha256"]


def _apart(row: RunRow, world: World) -> Iterator[Violation]:
    split = row.outputs.get("split")
    if split is None:
        return
    both = world.parts.get(split["train"]["path"], frozenset()) & world.parts.get(
        split["reference"]["path"], frozenset()
    )
    if both:
        yield Violation("I7", row.run_id, f"{len(both)} keys or rows both train and judge")
