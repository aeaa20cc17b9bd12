"""A run as a DAG: whatever its life was, every task has one state, and all of them agree."""

from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from domain.lifecycle import NEXT_STEP, TRANSITIONS, Outcome, State, advance
from domain.run import Failure, Run, TransitionRecord
from service.gateway.dag.tasks import TASK_IDS, Task, tasks_of
from service.gateway.dag.views import RUN_STATES, run_shape
from tests.kit.lives import asked, history_of, run_after

# How far a task is: no task is further than the one before it.
_RANK: Final = {
    "success": 0,
    "skipped": 1,
    "failed": 1,
    "running": 1,
    "up_for_retry": 1,
    "queued": 1,
    "upstream_failed": 2,
    None: 2,
}
_IN_HAND: Final = {"running", "queued", "up_for_retry"}
_FAILURE: Final = Failure(reason="mlflow_unavailable", message="MLflow is away", facts={"attempts": 2})
_OUTCOMES: Final = {state: [what for was, what in TRANSITIONS if was is state] for state in NEXT_STEP}


@st.composite
def _histories(draw: st.DrawFn) -> tuple[TransitionRecord, ...]:
    outcomes: list[Outcome] = []
    state = State.REQUESTED
    while state in NEXT_STEP and draw(st.booleans() | st.just(value=True)):
        outcomes.append(draw(st.sampled_from(_OUTCOMES[state])))
        state = advance(state, outcomes[-1])
    return history_of(outcomes)


@st.composite
def _lives(draw: st.DrawFn, *, opened: bool = False) -> tuple[Run, tuple[TransitionRecord, ...]]:
    history = draw(_histories())
    run = run_after(history)
    reached = {passed.to_state for passed in history}
    # A run's record is opened beside the splitting, and needed for the versions of its data.
    is_opened = State.VERSIONED in reached or (State.RESOLVED in reached and (opened or draw(st.booleans())))
    more: dict[str, Any] = {"mlflow_run_id": "m1"} if is_opened else {}
    if run.state in {State.REJECTED, State.FAILED}:
        more["failure"] = _FAILURE
    elif not run.ended:
        more["owner"] = draw(st.sampled_from(["worker-1", None]))
        more["attempts"] = draw(st.integers(0, 3))
        more["failure"] = draw(st.sampled_from([None, _FAILURE]))
        more["waiting_on"] = draw(st.sampled_from([None, "mlflow"])) if more["failure"] else None
    return run.model_copy(update=more), history


@given(_lives())
def test_every_task_has_its_place_and_times_in_order(life: tuple[Run, Any]) -> None:
    tasks = tasks_of(*life)

    assert [task.task_id for task in tasks] == list(TASK_IDS)
    for task in tasks:
        over = task.state in {"success", "failed", "skipped", "upstream_failed"}
        assert (task.ended_at is not None) == over
        assert task.seconds is None or task.seconds >= 0
        assert (task.began_at is None) == (task.state in {None, "queued"})
    began = [
        task.began_at for task in tasks if task.state in {"success", "failed", "running"} and task.began_at
    ]
    assert began == sorted(began)


@given(_lives(opened=True))
def test_no_task_is_further_than_the_one_before_it(life: tuple[Run, Any]) -> None:
    ranks = [_RANK[task.state] for task in tasks_of(*life)]

    assert ranks == sorted(ranks)


@given(_lives())
def test_the_tasks_agree_with_the_run(life: tuple[Run, Any]) -> None:
    run, history = life
    tasks = tasks_of(run, history)
    states = {task.state for task in tasks}

    match RUN_STATES[run.state]:
        case "queued":
            assert states <= {None, "queued", "up_for_retry"}
        case "running":
            assert "failed" not in states
            assert 1 <= len([task for task in tasks if task.state in _IN_HAND]) <= 2
        case "success":
            assert states <= {"success", "skipped"}
            assert ("skipped" in states) == (run.state is State.DECLINED)
        case "failed":
            assert "failed" in states
            assert not states & {None, "skipped", *_IN_HAND}
            assert run_shape(asked(run), "d").note in {task.note for task in tasks if task.state == "failed"}


@given(_histories(), st.integers(0, 7), st.sampled_from([None, "m1"]))
def test_a_history_that_is_ahead_of_the_run_changes_nothing(
    history: tuple[TransitionRecord, ...], seen: int, opened: str | None
) -> None:
    """It is read behind the run, while the worker goes on."""
    run = run_after(history[:seen], mlflow_run_id=opened)

    assert tasks_of(run, history) == tasks_of(run, history[:seen])


def test_without_a_run_nothing_has_begun() -> None:
    assert tasks_of(None, ()) == tuple(map(Task, TASK_IDS))
