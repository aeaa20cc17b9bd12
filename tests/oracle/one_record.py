"""I2: a row has one MLflow run and one version, its own, and they say what the row says."""

from collections.abc import Iterator
from typing import Any, Final

from tests.oracle.facts import RunRow, TrackedRun, Violation, World
from tests.oracle.reading import triple_of

_ORPHAN: Final = "laurel.orphan"
_STATUS: Final = {"COMPLETED": "FINISHED", "DECLINED": "FINISHED", "FAILED": "FAILED"}
_TRIPLE: Final = ("feature_version", "model_version", "split_version")


def one_record(world: World, *, at_rest: bool) -> Iterator[Violation]:
    """Check that a record never changes hands, and at rest that there is one."""
    for before in world.earlier:
        yield from _unchanged(before, world)
    if at_rest:
        for row in world.runs:
            yield from _one_run(row, world)
            yield from _one_version(row, world)
        yield from _nobodys(world)


def version_of(row: RunRow) -> int | None:
    """The version that a row registered."""
    decided: dict[str, Any] = row.outputs.get("decide") or {}
    return decided.get("version")


def _unchanged(before: World, world: World) -> Iterator[Violation]:
    now = {row.run_id: row for row in world.runs}
    for old in before.runs:
        new = now.get(old.run_id)
        if new is None:
            yield Violation("I2", old.run_id, "its row is gone")
            continue
        if old.mlflow_run_id not in {None, new.mlflow_run_id}:
            yield Violation(
                "I2", old.run_id, f"its MLflow run was {old.mlflow_run_id}, is {new.mlflow_run_id}"
            )
        if version_of(old) not in {None, version_of(new)}:
            yield Violation("I2", old.run_id, f"its version was {version_of(old)}, is {version_of(new)}")


def _one_run(row: RunRow, world: World) -> Iterator[Violation]:
    own = [run for run in world.tracked if run.tags.get("laurel.run_id") == row.run_id]
    of_record = [run for run in own if _ORPHAN not in run.tags]
    if len(of_record) > 1:
        names = ", ".join(run.mlflow_run_id for run in of_record)
        yield Violation("I2", row.run_id, f"has {len(of_record)} MLflow runs that no tag disowns: {names}")
    if row.mlflow_run_id is None:
        if row.state in {"COMPLETED", "DECLINED"}:
            yield Violation("I2", row.run_id, f"is {row.state} without an MLflow run")
        return
    run = next((run for run in of_record if run.mlflow_run_id == row.mlflow_run_id), None)
    if run is None:
        yield Violation("I2", row.run_id, f"its MLflow run {row.mlflow_run_id} is not the one of record")
        return
    if run.status != _STATUS.get(row.state):
        yield Violation("I2", row.run_id, f"is {row.state}, but its MLflow run is {run.status}")
    yield from _params(row, run)


def _params(row: RunRow, run: TrackedRun) -> Iterator[Violation]:
    resolved = row.outputs.get("resolve")
    if resolved is None or (row.state not in {"COMPLETED", "DECLINED"} and not run.params):
        return
    model = resolved["model"]["model"]
    versions = triple_of(resolved["triple"]) or ()
    wanted = {
        **{name: str(value) for name, value in zip(_TRIPLE, versions, strict=True)},
        "model_type": model["type"],
        **{name: str(value) for name, value in (model.get("params") or {}).items()},
    }
    for name, value in wanted.items():
        if run.params.get(name) != value:
            yield Violation(
                "I2", row.run_id, f"param {name} is {run.params.get(name)!r}, and was frozen as {value!r}"
            )


def _one_version(row: RunRow, world: World) -> Iterator[Violation]:
    if row.mlflow_run_id is None:
        return
    own = [one for one in world.versions if one.mlflow_run_id == row.mlflow_run_id]
    of_record = [one.version for one in own if _ORPHAN not in one.tags]
    if len(of_record) > 1:
        yield Violation("I2", row.run_id, f"has the versions {of_record}, and no tag disowns any")
    if version_of(row) is not None and version_of(row) not in of_record:
        yield Violation("I2", row.run_id, f"its version {version_of(row)} is not among {of_record}")


def _nobodys(world: World) -> Iterator[Violation]:
    rows = {row.run_id for row in world.runs}
    for run in world.tracked:
        if run.status == "RUNNING":
            yield Violation("I2", run.mlflow_run_id, "an MLflow run is RUNNING at rest")
        if run.tags.get("laurel.run_id") not in rows:
            yield Violation("I2", run.mlflow_run_id, "an MLflow run belongs to no row")
