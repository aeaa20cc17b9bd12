"""The work of one run: each piece once, ahead of its turn where it may, kept where it was dear."""

import asyncio
from typing import Any

import pytest

from domain.errors import ModelUnusable, NeverRetry, TryLater
from domain.lifecycle import State, Step
from domain.models import LoggedModel, RegisteredVersion
from domain.points import Point
from domain.promotion_checks import Decision
from domain.run import Run
from tests.fakes.model_registry import FakeModelRegistry
from tests.harm.fake_time import settle
from tests.harm.holding import HoldAt
from tests.kit.builders import MODEL, REFERENCE, a_score, sha256
from tests.worlds.stage import LEASE, Stage, fails

AWAY = TryLater("mlflow_unavailable", "MLflow does not answer", waiting_on="mlflow")
UPLOADED_AHEAD = {"requirements.txt": REFERENCE}
STORE_AWAY = TryLater("postgres_unavailable", "gone", waiting_on="postgres")
CALLS = {
    Step.SPLIT: "split",
    Step.VERSION: "version",
    Step.TRAIN: "upload",
    Step.EVALUATE: "score_candidate",
}
ONCE = (
    "split",
    "version",
    "train",
    "upload",
    "verify",
    "open_run",
    "create_model",
    "score_candidate",
    "publish",
)


async def carrying(stage: Stage) -> tuple[str, "asyncio.Future[bool]"]:
    """A run in hand, as far as it goes without time passing."""
    run_id = await stage.ask()
    task = asyncio.ensure_future(stage.runner().run_one())
    await settle()
    return run_id, task


async def ended(stage: Stage, run_id: str, task: "asyncio.Future[bool]") -> Run:
    async def wait() -> bool:
        return await task

    await stage.clock.finish(wait())
    return await stage.row(run_id)


async def killed(task: "asyncio.Future[bool]", stage: Stage) -> None:
    """What a killed worker leaves: a lease that runs out."""
    stage.store.release = _nothing
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await stage.clock.advance(LEASE + 1)


async def _nothing(run: Run) -> None:
    del run


async def test_every_piece_is_done_once(stage: Stage) -> None:
    await stage.done(0.5)
    assert {name: stage.script.calls[name] for name in ONCE} == dict.fromkeys(ONCE, 1)


class SlowToList:
    """A tracker whose run lists its model late: its id is known before that."""

    def __init__(self, stage: Stage) -> None:
        self.listed = asyncio.Event()
        self._create = stage.tracker.create_model
        stage.tracker.create_model = self.create_model

    async def create_model(self, *about: Any, **how: Any) -> LoggedModel:
        model: LoggedModel = await self._create(*about, **how)
        await self.listed.wait()
        return model


async def test_the_fit_begins_before_its_run_lists_the_model_and_is_kept_after_it(stage: Stage) -> None:
    slow = SlowToList(stage)
    run_id, task = await carrying(stage)
    assert stage.script.calls["train"] == 1
    assert {"package", "logged_model"} & (await stage.row(run_id)).outputs.keys() == set()
    slow.listed.set()
    run = await ended(stage, run_id, task)
    assert run.state is State.COMPLETED
    assert {"package", "logged_model"} <= run.outputs.keys()


async def test_a_fit_for_another_logged_model_than_the_one_of_record_is_made_again(stage: Stage) -> None:
    """The package says whose it is."""
    create, others = stage.tracker.create_model, ["m-lost"]

    async def told_another(*about: Any, **how: Any) -> LoggedModel:
        model: LoggedModel = await create(*about, is_new=how["is_new"])
        how["on_created"](model.model_copy(update={"model_id": others.pop() if others else model.model_id}))
        return model

    stage.tracker.create_model = told_another
    run = await stage.done(0.5)
    assert (run.state, stage.script.calls["train"]) == (State.COMPLETED, 2)


async def test_the_fit_and_the_scores_do_not_wait_for_versioning(stage: Stage) -> None:
    stage.script.gates["version"] = asyncio.Event()
    run_id, task = await carrying(stage)
    assert (await stage.row(run_id)).state is State.SPLIT
    assert [stage.script.calls[name] for name in ("train", "upload", "score_candidate")] == [1, 1, 1]
    stage.script.gates["version"].set()
    assert (await ended(stage, run_id, task)).state is State.COMPLETED


async def test_nothing_is_registered_before_everything_before_it_is_committed(stage: Stage) -> None:
    stage.script.gates["version"] = asyncio.Event()
    run_id, task = await carrying(stage)
    assert stage.script.calls["register"] == 0
    stage.script.gates["version"].set()
    await ended(stage, run_id, task)


async def test_versioning_does_not_wait_for_the_fit(stage: Stage) -> None:
    stage.script.gates["train"] = asyncio.Event()
    run_id, task = await carrying(stage)
    assert (await stage.row(run_id)).state is State.VERSIONED
    stage.script.gates["train"].set()
    assert (await ended(stage, run_id, task)).state is State.COMPLETED


async def test_a_failure_stops_what_was_started_early(stage: Stage) -> None:
    stage.script.gates |= {"train": asyncio.Event(), "version": asyncio.Event()}
    fails("version", stage, NeverRetry("dvc_refused", "no"))
    run_id, task = await carrying(stage)
    stage.script.gates["version"].set()
    run = await ended(stage, run_id, task)
    assert run.failure is not None
    assert (run.state, run.failure.reason) == (State.FAILED, "dvc_refused")
    assert stage.script.cancelled == ["train"]


async def test_an_early_failure_waits_for_its_turn(stage: Stage) -> None:
    """The fit has failed while DVC is still at work: VERSIONED is committed and announced all the same."""
    fails("train", stage, NeverRetry("fit_failed", "no"))
    run = await stage.done(0.5)
    assert (await stage.states(run.run_id))[-2:] == [State.VERSIONED, State.FAILED]
    assert stage.topics() == ["split.completed", "training.failed"]


async def test_a_fit_is_kept_as_soon_as_it_is_done_and_never_repeated(stage: Stage) -> None:
    stage.script.gates["version"] = asyncio.Event()
    run_id, task = await carrying(stage)
    assert "package" in (await stage.row(run_id)).outputs
    await killed(task, stage)
    stage.script.gates.clear()
    assert (await stage.carry(run_id)).state is State.COMPLETED
    assert stage.script.calls["train"] == 1


async def test_a_package_says_which_run_and_which_logged_model_it_is(stage: Stage) -> None:
    run = await stage.done(0.5)
    (record,), model = stage.trainer.records, run.outputs["train"]["model"]
    said = (record.mlflow_run_id, record.model_id, record.artifact_uri)
    assert said == (run.mlflow_run_id, model["model_id"], model["artifact_uri"])


async def test_a_package_that_an_older_laurel_kept_is_fitted_again_since_it_names_no_run(
    stage: Stage,
) -> None:
    stage.script.gates["version"] = asyncio.Event()
    run_id, task = await carrying(stage)
    await killed(task, stage)
    row = stage.memory.runs[run_id]
    older = {name: output for name, output in row.run.outputs.items() if name != "logged_model"}
    row.run = row.run.model_copy(update={"outputs": older})
    stage.script.gates.clear()
    assert (await stage.carry(run_id)).state is State.COMPLETED
    assert stage.script.calls["train"] == 2


async def test_a_fit_outlives_a_short_absence_of_the_run_store(stage: Stage) -> None:
    # Of the opened run, of the logged model, then of the package.
    fails("keep", stage, STORE_AWAY, None, STORE_AWAY, None, STORE_AWAY, STORE_AWAY)
    run = await stage.done(0.5)
    assert (run.state, run.fence) == (State.COMPLETED, 1)
    assert stage.script.calls["train"] == 1


async def test_a_wait_that_nobody_can_be_told_of_stops_nothing(stage: Stage) -> None:
    """MLflow and the run store are away at once; the run goes on when MLflow is back."""
    fails("create_model", stage, *[AWAY] * 3)
    fails("note_waiting", stage, *[STORE_AWAY] * 2)
    run = await stage.done(0.5)
    assert (run.state, run.fence) == (State.COMPLETED, 1)
    assert stage.script.calls["train"] == 1


@pytest.mark.parametrize("step", list(Step)[1:])
async def test_what_earlier_steps_left_is_read_back_after_a_kill(step: Step) -> None:
    """C01: killed before each step's effect, a new worker repeats nothing of the steps before."""
    hold = HoldAt(Point(f"{step}.before_commit"))
    stage = Stage(points=hold)
    run_id, task = await carrying(stage)
    await asyncio.wait_for(hold.reached.wait(), 10)
    await killed(task, stage)
    before = stage.script.calls.copy()
    assert (await stage.carry(run_id, stage.runner("worker-2"))).state is State.COMPLETED
    again = stage.script.calls - before
    finished = [call for done, call in CALLS.items() if list(Step).index(done) < list(Step).index(step)]
    assert [again[call] for call in finished] == [0] * len(finished)
    assert len(stage.tracker.runs) == 1
    assert len(stage.registry.versions[MODEL]) == 1
    events = [row.announcement.event_id for row in stage.memory.outbox]
    assert len(set(events)) == 3


async def test_only_the_first_upload_of_all_looks_for_nothing(stage: Stage) -> None:
    """A repeat looks what has arrived, and so does a worker that takes over: it cannot know."""
    stage.script.errors["upload"] = [AWAY]
    await stage.done(0.5)
    assert stage.trainer.uploads == [UPLOADED_AHEAD, None]


async def test_a_worker_that_takes_over_looks_for_what_was_uploaded(stage: Stage) -> None:
    stage.script.gates["upload"] = asyncio.Event()
    run_id, task = await carrying(stage)
    await killed(task, stage)
    stage.script.gates.clear()
    assert (await stage.carry(run_id, stage.runner("worker-2"))).state is State.COMPLETED
    assert stage.trainer.uploads == [UPLOADED_AHEAD, None]


async def test_what_does_not_load_from_its_files_is_not_promoted(stage: Stage) -> None:
    fails("verify", stage, ModelUnusable("golden_rows_differ", "it says something else"))
    run = await stage.done(0.5)
    assert run.failure is not None
    assert (run.state, run.failure.reason) == (State.FAILED, "golden_rows_differ")
    assert (await stage.ledger.head(MODEL), stage.alias) == (None, None)


async def test_verification_is_awaited_before_the_ledger(stage: Stage) -> None:
    stage.script.gates["verify"] = asyncio.Event()
    run_id, task = await carrying(stage)
    assert (await stage.row(run_id)).state is State.EVALUATED
    assert await stage.ledger.head(MODEL) is None
    stage.script.gates["verify"].set()
    assert (await ended(stage, run_id, task)).state is State.COMPLETED


async def test_both_models_are_scored_on_the_reference_of_this_run(stage: Stage) -> None:
    await stage.done(0.5)
    stage.trainer.digest = sha256("other bytes")
    run = await stage.done(0.1)
    assert run.state is State.DECLINED
    assert run.outputs["decide"]["verdict"]["decision"] == Decision.INCONCLUSIVE


@pytest.mark.parametrize("number", [None, -0.1])
async def test_a_candidate_without_a_usable_number_is_declined_even_when_it_would_be_the_first(
    number: float | None, stage: Stage
) -> None:
    run = await stage.done(number)
    assert (run.state, stage.alias) == (State.DECLINED, None)


@pytest.mark.parametrize("number", [None, -0.1])
async def test_a_champion_without_a_usable_number_is_never_beaten(number: float | None, stage: Stage) -> None:
    await stage.done(0.5)
    stage.trainer.champions[1] = number
    run = await stage.done(0.1)
    assert run.outputs["decide"]["verdict"]["decision"] == Decision.INCONCLUSIVE
    assert stage.alias == 1


async def test_equal_is_not_better(stage: Stage) -> None:
    await stage.done(0.5)
    assert (await stage.done(0.5)).outputs["decide"]["verdict"]["decision"] == Decision.DECLINE


async def test_a_champion_that_cannot_be_loaded_is_inconclusive(stage: Stage) -> None:
    await stage.done(0.5)
    fails("score_champion", stage, ModelUnusable("model_digest_mismatch", "changed"))
    run = await stage.done(0.1)
    assert run.outputs["decide"]["verdict"]["decision"] == Decision.INCONCLUSIVE


async def test_a_champion_that_mlflow_refuses_to_give_is_inconclusive_with_its_reason(stage: Stage) -> None:
    await stage.done(0.5)
    fails("score_champion", stage, NeverRetry("artifact_store_unusable", "the client is not installed"))
    run = await stage.done(0.1)
    verdict = run.outputs["decide"]["verdict"]
    assert (run.state, verdict["decision"]) == (State.DECLINED, Decision.INCONCLUSIVE)
    assert "the client is not installed; restore it, or point the alias at" in verdict["reasons"][0]


async def test_a_fault_of_the_reference_is_the_runs_own(stage: Stage) -> None:
    await stage.done(0.5)
    fails("score_champion", stage, NeverRetry("reference_digest_mismatch", "changed"))
    run = await stage.done(0.1)
    assert (run.state, run.failure and run.failure.reason) == (State.FAILED, "reference_digest_mismatch")


async def test_a_child_that_dies_of_the_champion_each_time_is_inconclusive(stage: Stage) -> None:
    await stage.done(0.5)
    stage.script.always["score_champion"] = TryLater("step_died", "killed by SIGSEGV")
    run = await stage.done(0.1)
    verdict = run.outputs["decide"]["verdict"]
    assert (run.state, verdict["decision"]) == (State.DECLINED, Decision.INCONCLUSIVE)
    assert "killed by SIGSEGV" in verdict["reasons"][0]
    assert stage.script.calls["score_champion"] == 3


@pytest.mark.parametrize("first", [True, False])
async def test_an_alias_that_cannot_be_read_is_never_no_champion(first: bool, stage: Stage) -> None:  # noqa: FBT001
    """P05: on an empty ledger and on a full one."""
    if not first:
        await stage.done(0.5)
    stage.script.errors["registered"] = [NeverRetry("mlflow_refused", "403")]
    run = await stage.done(0.1)
    assert run.outputs["decide"]["verdict"]["decision"] == Decision.INCONCLUSIVE
    assert stage.alias == (None if first else 1)


async def test_a_champion_that_came_with_the_alias_is_not_asked_for_again(stage: Stage) -> None:
    first = (await stage.done(0.5)).outputs["decide"]["version"]
    asked: list[int] = []
    version = stage.registry.version

    async def noted(model_name: str, number: int) -> RegisteredVersion | None:
        asked.append(number)
        found: RegisteredVersion | None = await version(model_name, number)
        return found

    stage.registry.version = noted
    run = await stage.done(0.1)
    assert (run.state, run.outputs["evaluate"]["champion"]["version"]) == (State.COMPLETED, first)
    assert first not in asked


async def test_a_head_that_is_not_in_the_registry_is_inconclusive(stage: Stage) -> None:
    """M04: alarm, no promotion; the old model serves on."""
    await stage.done(0.5)
    stage.registry.versions[MODEL].clear()
    run = await stage.done(0.1)
    assert run.outputs["decide"]["verdict"]["decision"] == Decision.INCONCLUSIVE
    assert "not in the registry" in run.outputs["decide"]["verdict"]["reasons"][0]


async def test_a_version_says_what_a_server_needs(stage: Stage) -> None:
    run = await stage.done(0.5)
    version = await FakeModelRegistry.version(stage.registry, MODEL, 1)
    assert version is not None
    package = run.outputs["train"]["package"]
    assert version.tags["laurel.model_digest"] == package["digest"]
    assert version.tags["feature_version"] == "1"
    assert version.source == run.outputs["train"]["model"]["uri"]


async def test_an_entry_says_all_that_the_decision_was_made_of(stage: Stage) -> None:
    await stage.done(0.5)
    run = await stage.done(0.4)
    head = await stage.ledger.head(MODEL)
    assert head is not None
    assert (head.generation, head.run_id, head.previous_version) == (2, run.run_id, 1)
    assert head.candidate_score == a_score(0.4)
    assert head.champion_score == a_score(0.5)
    assert head.policy == stage.world.policy
