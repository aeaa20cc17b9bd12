"""Worlds whose rows or records are wrong."""

from dataclasses import replace
from typing import Any

from tests.oracle import good_world as good
from tests.oracle.breaks import breaks, change_run
from tests.oracle.facts import Kind, Sent, TrackedRun, Transition, World


@breaks("I1", amid_faults=True)
def _two_rows(world: World) -> World:
    """One identity has two rows."""
    return replace(world, runs=(*world.runs, replace(world.runs[0], run_id="r9")))


@breaks("I1", amid_faults=True)
def _one_event_two_rows(world: World) -> World:
    """One CloudEvent at two places became two rows of different identity."""
    headers = (("ce_source", b"/s"), ("ce_id", b"7"))
    sent = [Sent(replace(one.record, headers=headers), one.kind) for one in world.sent[:2]]
    return replace(world, sent=(*sent, *world.sent[2:]))


@breaks("I1", amid_faults=True)
def _one_record_two_rows(world: World) -> World:
    """One record was stored twice, under two identities."""
    again = replace(world.runs[3], run_id="r9", identity="another")
    step = Transition("r9", 1, "REQUESTED", "REJECTED", 1)
    return replace(world, runs=(*world.runs, again), history=(*world.history, step))


@breaks("I1", amid_faults=True)
def _forbidden_arrow(world: World) -> World:
    """A run went straight from SPLIT to TRAINED."""
    kept = [step for step in world.history if step.run_id != "r3"]
    jump = [
        Transition("r3", 1, "REQUESTED", "RESOLVED", 1),
        Transition("r3", 2, "RESOLVED", "SPLIT", 1),
        Transition("r3", 3, "SPLIT", "TRAINED", 1),
    ]
    return change_run(replace(world, history=(*kept, *jump)), 2, state="TRAINED")


@breaks("I1", amid_faults=True)
def _transition_twice(world: World) -> World:
    """A transition happened twice."""
    again = Transition("r1", 8, "PROMOTED", "COMPLETED", 1)
    return replace(world, history=(*world.history, again))


@breaks("I1", amid_faults=True)
def _gap_in_history(world: World) -> World:
    """A transition of the history is missing."""
    return replace(world, history=world.history[1:])


@breaks("I1", amid_faults=True)
def _state_without_history(world: World) -> World:
    """A row is in a state that its history does not end in."""
    return change_run(world, 2, state="COMPLETED")


@breaks("I1", amid_faults=True)
def _fence_falls(world: World) -> World:
    """A fence fell within a history."""
    steps = [step._replace(fence=9) if step.seq == 1 else step for step in world.history]
    return replace(world, history=tuple(steps))


@breaks("I1", amid_faults=True)
def _row_fence_falls(world: World) -> World:
    """A row's fence is below that of its history."""
    return change_run(world, 0, fence=0)


@breaks("I1", amid_faults=False)
def _request_lost(world: World) -> World:
    """A valid request has no row."""
    return replace(world, sent=(*world.sent, Sent(good.request(7, "{}"), Kind.VALID)))


@breaks("I1", amid_faults=False)
def _no_end(world: World) -> World:
    """A run stays where it is."""
    kept = tuple(step for step in world.history if step != world.history[6])
    return change_run(replace(world, history=kept), 0, state="PROMOTED")


@breaks("I1", amid_faults=False)
def _end_without_reason(world: World) -> World:
    """A run is REJECTED and does not say why."""
    return change_run(world, 3, failure=None)


@breaks("I1", amid_faults=False)
def _no_dead_letter(world: World) -> World:
    """A bad record left no dead letter."""
    return replace(world, late=world.late[:-1])


@breaks("I1", amid_faults=False)
def _needless_dead_letter(world: World) -> World:
    """A valid request was set aside."""
    return replace(world, late=(*world.late, good.dead_letter(world.sent[0].record)))


@breaks("I1", amid_faults=False)
def _dead_letter_changed(world: World) -> World:
    """A dead letter does not hold the original bytes."""
    return replace(world, late=(*world.late[:-1], replace(world.late[-1], value=b"tidied")))


@breaks("I1", amid_faults=False)
def _run_of_nobody(world: World) -> World:
    """A run came from a record of another model."""
    place = world.sent[5].record.coordinates
    return change_run(world, 3, coordinates=f"{place.topic}/0/5@{place.timestamp_ms}")


@breaks("I2", amid_faults=True)
def _mlflow_run_changes(world: World) -> World:
    """A row's MLflow run is another one than before."""
    return replace(world, earlier=(change_run(world, 0, mlflow_run_id="m0"),))


@breaks("I2", amid_faults=True)
def _version_changes(world: World) -> World:
    """A row's version is another one than before."""
    before = change_run(world, 0, outputs={**world.runs[0].outputs, "decide": {"version": 8}})
    return replace(world, earlier=(before,))


@breaks("I2", amid_faults=True)
def _row_vanishes(world: World) -> World:
    """A row that was seen is gone."""
    return replace(world, earlier=(replace(world, runs=(replace(world.runs[0], run_id="r0"),)),))


@breaks("I2", amid_faults=False)
def _second_mlflowchange_run(world: World) -> World:
    """A second MLflow run of the row is not marked as an orphan."""
    return replace(world, tracked=(*world.tracked, replace(world.tracked[0], mlflow_run_id="m9")))


@breaks("I2", amid_faults=False)
def _second_version(world: World) -> World:
    """A second version of the run is not marked as an orphan."""
    return replace(world, versions=(*world.versions, replace(world.versions[0], version=9)))


@breaks("I2", amid_faults=False)
def _no_version(world: World) -> World:
    """The version that the row names is not in the registry."""
    return replace(world, versions=(replace(world.versions[0], version=9), world.versions[1]))


@breaks("I2", amid_faults=False)
def _not_of_record(world: World) -> World:
    """The row's MLflow run is the orphan."""
    tags = {**world.tracked[0].tags, "laurel.orphan": "true"}
    return replace(world, tracked=(replace(world.tracked[0], tags=tags), *world.tracked[1:]))


@breaks("I2", amid_faults=False)
def _completed_withoutchange_run(world: World) -> World:
    """A COMPLETED row has no MLflow run."""
    return replace(change_run(world, 0, mlflow_run_id=None), tracked=world.tracked[1:])


@breaks("I2", amid_faults=False)
def _failed_looks_finished(world: World) -> World:
    """A FAILED run looks FINISHED in MLflow."""
    steps = [
        step._replace(to_state="FAILED") if step.to_state == "DECLINED" else step for step in world.history
    ]
    return change_run(replace(world, history=tuple(steps)), 2, state="FAILED", failure={"reason": "x"})


@breaks("I2", amid_faults=False)
def _param_differs(world: World) -> World:
    """A param is not the frozen one."""
    params = {**world.tracked[0].params, "alpha": "2.0"}
    return replace(world, tracked=(replace(world.tracked[0], params=params), *world.tracked[1:]))


@breaks("I2", amid_faults=False)
def _params_missing(world: World) -> World:
    """A COMPLETED run has no params."""
    return replace(world, tracked=(replace(world.tracked[0], params={}), *world.tracked[1:]))


@breaks("I2", amid_faults=False)
def _still_running(world: World) -> World:
    """An orphan was left RUNNING."""
    orphan = TrackedRun("m9", "RUNNING", {}, {}, {"laurel.run_id": "r1", "laurel.orphan": "true"})
    return replace(world, tracked=(*world.tracked, orphan))


@breaks("I2", amid_faults=False)
def _run_without_row(world: World) -> World:
    """An MLflow run belongs to no row."""
    return replace(
        world, tracked=(*world.tracked, TrackedRun("m9", "FAILED", {}, {}, {"laurel.run_id": "r9"}))
    )


def _with_split(world: World, **changes: Any) -> World:
    outputs = dict(world.runs[0].outputs)
    return change_run(world, 0, outputs={**outputs, "split": {**outputs["split"], **changes}})


@breaks("I13", amid_faults=True)
def _lost_row(world: World) -> World:
    """A row of the master has no fate."""
    return _with_split(world, master={**world.runs[0].outputs["split"]["master"], "rows": 41})


@breaks("I13", amid_faults=True)
def _more_trained(world: World) -> World:
    """More rows train than were counted."""
    return _with_split(world, train={**world.runs[0].outputs["split"]["train"], "rows": 26})


@breaks("I13", amid_faults=True)
def _fewer_judge(world: World) -> World:
    """A reference that was made now has fewer rows than were counted."""
    return _with_split(world, reference={**world.runs[0].outputs["split"]["reference"], "rows": 9})


@breaks("I13", amid_faults=True)
def _other_fates_told(world: World) -> World:
    """The announcement says otherwise than the run's row."""
    return _with_split(world, statistics={"fates": {**good.FATES, "tests": 3, "unused": {"no_period": 2}}})
