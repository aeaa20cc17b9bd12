"""Worlds whose files are wrong."""

from dataclasses import replace

from tests.oracle import good_world as good
from tests.oracle.breaks import breaks, change_run
from tests.oracle.facts import Did, Edit, World


@breaks("I6", amid_faults=True)
def _torn(world: World) -> World:
    """active_config.yaml was read half written."""
    return replace(world, active=(*world.active, good.ACTIVE[:40], good.ACTIVE))


@breaks("I6", amid_faults=True)
def _mixed_triple(world: World) -> World:
    """active_config.yaml was read with a triple that no generation has."""
    mixed = good.ACTIVE.replace(b"model_version: 1", b"model_version: 2")
    return replace(world, active=(good.ACTIVE, mixed, good.ACTIVE))


@breaks("I6", amid_faults=True)
def _comment_lost(world: World) -> World:
    """A comment of active_config.yaml is gone."""
    return replace(world, active=(good.ACTIVE, good.ACTIVE.replace(b"# ours\n", b"")))


@breaks("I6", amid_faults=True)
def _file_differs(world: World) -> World:
    """A run's train file is not the one that was recorded."""
    return replace(world, files={**world.files, "/data/runs/r1/train.parquet": "d" * 64})


@breaks("I6", amid_faults=True)
def _published_torn(world: World) -> World:
    """A published split is what no run made."""
    return replace(world, files={**world.files, "/data/splits/v1/train.parquet": "d" * 64})


@breaks("I6", amid_faults=False)
def _old_temporary(world: World) -> World:
    """A temporary file was left behind."""
    return replace(world, temporaries={"/data/.x.laurel-tmp": 3601.0})


@breaks("I7", amid_faults=True)
def _config_edited(world: World) -> World:
    """A used configuration file is not what it was, and the test did not do it."""
    return replace(world, files={**world.files, "/config/splits/v1.yaml": "d" * 64})


@breaks("I7", amid_faults=True)
def _ran_on_an_edit(world: World) -> World:
    """A file was edited by the test, and a run was accepted on it."""
    path = "/config/splits/v1.yaml"
    resolved = {
        **world.runs[0].outputs["resolve"],
        "digests": {**good.DIGESTS, "splits": "d" * 64},
    }
    changed = change_run(world, 0, outputs={**world.runs[0].outputs, "resolve": resolved})
    edits = Did(edits=[Edit(path)])
    return replace(changed, files={**world.files, path: "d" * 64}, did=edits)


@breaks("I7", amid_faults=True)
def _reference_replaced(world: World) -> World:
    """The reference was made again."""
    path = f"{good.DATA}/reference/tests/v1/test_reference.parquet"
    return replace(world, files={**world.files, path: "d" * 64})


@breaks("I7", amid_faults=True)
def _trains_and_judges(world: World) -> World:
    """A row stands in train and in the reference."""
    path = f"{good.DATA}/runs/r1/train.parquet"
    return replace(world, parts={**world.parts, path: frozenset({"row 2"})})
