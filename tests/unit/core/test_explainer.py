"""Why a model was promoted, or was not, told from what a worker left; and two of them compared."""

from datetime import UTC, datetime

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # its stubs are a package more

from domain.errors import NeverRetry, TryLater
from domain.lifecycle import State
from domain.model_comparison import ModelComparisonForm, compared_models, known_overlap
from domain.run_record import MOST_WAITS, PastWait, PastWaits
from domain.story import StoryForm
from domain.wording import iso_time
from service.cli import explaining
from service.promotion.explainer import Explainer, NothingFits
from service.runtime.retry import RetryPolicy
from tests.fakes.champion_history import FakeChampionHistory
from tests.kit.builders import MODEL
from tests.tools.json_forms import schemas
from tests.worlds.stage import LEASE, Stage, fails

SCHEMAS = schemas()
NOW = datetime(2026, 11, 17, 12, tzinfo=UTC)


def explainer(stage: Stage) -> Explainer:
    return Explainer(MODEL, FakeChampionHistory(stage.memory, MODEL), stage.store, stage.registry)


async def told(stage: Stage, text: str | None) -> StoryForm:
    story = (await explainer(stage).explain(text or "")).form(NOW)
    Draft202012Validator(SCHEMAS["explanation"]).validate(story.model_dump(mode="json"))
    return story


def held_up(story: StoryForm) -> list[str]:
    """What `laurel explain` prints of past waits."""
    return [text for name, text in explaining._lines(story) if name == "held up"]


def generation_in(story: StoryForm) -> int:
    assert story.reign is not None
    return story.reign.generation


async def compared(stage: Stage, a: str, b: str) -> ModelComparisonForm:
    one, other = await explainer(stage).side(a), await explainer(stage).side(b)
    found = compared_models(MODEL, one, other, known_overlap(one.record, other.record))
    Draft202012Validator(SCHEMAS["comparison"]).validate(found.model_dump(mode="json"))
    return found


async def test_a_promoted_run_says_as_what_and_why(stage: Stage) -> None:
    run = await stage.done(0.5, requested_by="ada", reason="new sales")
    for text in (run.run_id, "1", "g1", "v1", "version:1", "Generation:1", run.mlflow_run_id):
        story = await told(stage, text)
        assert story.answer == (
            "Version 1 was promoted (generation 1): there is no champion yet: the first one; "
            "it is the champion"
        )
        assert story.run is not None
        assert (story.promoted, story.run.run_id, generation_in(story)) == (True, run.run_id, 1)
    assert story.reign is not None
    assert story.request["requested_by"] == story.reign.requested_by == "ada"
    assert [step.step for step in story.steps] == [
        "resolve", "split", "version", "train", "evaluate", "decide", "persist"
    ]  # fmt: skip
    assert set(story.data) == {"master", "train", "reference", "recent_1_year"}
    assert story.shown_at is not None


async def test_a_declined_candidate_says_what_it_lacked_with_its_figures(stage: Stage) -> None:
    await stage.done(0.5)
    run = await stage.done(0.6)
    story = await told(stage, run.run_id)
    assert story.answer.startswith("Not promoted (DECLINE): reference rmsle 0.6 against 0.5 of the champion")
    assert (story.promoted, story.reign) == (False, None)
    assert [check.name for check in story.checks if not check.passed] == ["gain_above_minimum_effect"]
    assert story.scores["reference (champion)"]["rmsle"] == 0.5


async def test_a_failed_run_and_a_rejected_request_say_their_reason(stage: Stage) -> None:
    fails("train", stage, NeverRetry("fit_failed", "the fit failed; look at the data"))
    failed = await told(stage, (await stage.done(0.5)).run_id)
    rejected = await told(stage, (await stage.done(split_version="x")).run_id)
    assert failed.answer == "Not promoted: the run failed (fit_failed: the fit failed; look at the data)"
    assert rejected.answer.startswith("Not promoted: the request was rejected: split_version")
    assert {failed.promoted, rejected.promoted} == {False}


async def test_a_request_that_has_not_ended_says_where_it_is(stage: Stage) -> None:
    run_id = await stage.ask()
    story = await told(stage, run_id)
    assert story.answer == "Not decided yet: the run is REQUESTED, before its step resolve"
    assert story.promoted is None


async def test_a_request_that_no_worker_has_read_says_so(stage: Stage) -> None:
    stage.memory.accepted[MODEL, "nightly"] = NOW
    story = await told(stage, "nightly")
    assert (story.answer, story.promoted) == ("Not decided yet: no worker has read the request", None)
    assert story.notes == ("accepted at 2026-11-17 12:00:00Z; no worker has read it yet",)


async def test_a_bare_number_is_a_generation_and_says_what_else_it_could_mean(stage: Stage) -> None:
    for rmsle in (0.5, 0.4):
        await stage.done(rmsle)
    await stage.registry.set_alias(MODEL, 1)
    await stage.projector.follow()  # generation 3 is version 1 again
    third, first = await told(stage, "3"), await told(stage, "1")
    assert third.answer.startswith("Version 1 was made champion by hand (generation 3)")
    assert third.generations == (3, 1)
    assert generation_in(first) == 1
    assert first.notes == ("1 was read as a generation; for version 1: laurel explain v1",)
    assert generation_in(await told(stage, "v1")) == 3


async def test_an_id_that_begins_like_a_number_is_found_without_asking_mlflow(stage: Stage) -> None:
    run = await stage.done(0.5)
    row = stage.memory.runs[run.run_id]
    row.run = row.run.model_copy(update={"mlflow_run_id": "85271934ab"})
    alone = Explainer(MODEL, FakeChampionHistory(stage.memory, MODEL), stage.store)
    found = await alone.explain("85271934")
    assert found.run is not None
    assert found.run.run_id == run.run_id


@pytest.mark.parametrize(
    "text", ["g9", "v9", "9", "nobody", "run:nobody", "00000000-0000", "9" * 30, "%", "'"]
)
async def test_what_means_nothing_is_said_to(stage: Stage, text: str) -> None:
    await stage.done(0.5)
    with pytest.raises(NothingFits):
        await explainer(stage).explain(text)


async def test_a_beginning_that_fits_several_runs_is_ambiguous(stage: Stage) -> None:
    for _ in range(2):
        await stage.ask(retry_of="x")
    ids = list(stage.memory.runs)
    for run_id in ids:
        row = stage.memory.runs[run_id]
        row.run = row.run.model_copy(update={"correlation_id": "same"})
    with pytest.raises(NothingFits, match="fits 2 runs"):
        await explainer(stage).explain("same")


async def test_two_models_are_compared_on_the_bytes_that_both_were_scored_on(stage: Stage) -> None:
    await stage.done(0.5)
    declined = await stage.done(0.6)
    found = await compared(stage, "1", declined.run_id)
    assert (found.a.generation, found.b.generation) == (1, None)
    assert found.configuration == ()
    assert all(pair.same for pair in found.data)
    figures = {(one.metric, one.a, one.b) for one in found.metrics if one.dataset == "reference"}
    assert ("rmsle", 0.5, 0.6) in figures
    assert found.training_overlap.rows == found.training_overlap.a == found.training_overlap.b


async def test_configurations_differ_in_named_places(stage: Stage) -> None:
    await stage.done(0.5)
    other = await stage.done(0.4, model_version=2)
    found = await compared(stage, "1", other.run_id)
    places = {one.place: (one.a, one.b) for one in found.configuration or ()}
    assert places["model.version"] == (1, 2)


async def test_what_no_run_of_ours_made_is_compared_as_far_as_it_is_known(stage: Stage) -> None:
    await stage.done(0.5)
    row = stage.memory.runs.pop(next(iter(stage.memory.runs)))
    found = await compared(stage, "1", "1")
    assert (found.configuration, found.data, found.training_overlap.rows) == (None, (), None)
    assert found.notes
    assert row.run.run_id


async def test_what_held_a_run_up_is_told_when_it_is_over(stage: Stage) -> None:
    """A service that was away, in a slot and without one, and a try whose child died."""
    away = TryLater("mlflow_unavailable", "no answer", waiting_on="mlflow")
    fails("open_run", stage, *[away] * 9)
    fails("train", stage, TryLater("step_died", "the child died of signal 9"))
    run = await stage.carry(await stage.ask(), stage.runner(retry=RetryPolicy(30.0, 30.0)))
    assert run.state is State.COMPLETED
    story = await told(stage, run.run_id)
    waited, died = story.waits
    assert (waited.call, waited.waiting_on, waited.reason) == ("find_or_open", "mlflow", away.reason)
    assert (waited.attempts, (waited.until - waited.since).total_seconds() >= 8 * 22) == (9, True)
    assert (died.waiting_on, died.reason, died.attempts) == (None, "step_died", 1)
    assert story.waits_left_out == 0


async def test_a_worker_that_died_is_told_as_well(stage: Stage) -> None:
    run = await stage.store.claim(MODEL, "dead", LEASE) if await stage.ask() else None
    assert run is not None
    await stage.store.begin(run)
    await stage.clock.advance(LEASE + 1)
    story = await told(stage, (await stage.carry(run.run_id)).run_id)
    assert [(one.call, one.reason, one.attempts) for one in story.waits] == [("resolve", "interrupted", 1)]
    (printed,) = held_up(story)
    assert printed.startswith("resolve was begun once in vain (interrupted), at 20")


async def test_a_run_that_gave_up_waiting_tells_of_it(stage: Stage) -> None:
    stage.script.always["split"] = TryLater("disk_full", "no space", waiting_on="disk")
    run = await stage.carry(await stage.ask(), stage.runner(retry=RetryPolicy(10.0, 10.0, budget=50.0)))
    story = await told(stage, run.run_id)
    (waited,) = story.waits
    (printed,) = held_up(story)
    tries = f"(disk_full; {waited.attempts} tries)"
    seconds = (waited.until - waited.since).total_seconds()
    assert printed == f"split waited {seconds:.1f} s for disk {tries} from {iso_time(waited.since)}"
    assert held_up(story.model_copy(update={"waits_left_out": 7}))[0] == "7 times before what follows"
    assert (run.state, waited.waiting_on) == (State.FAILED, "disk")
    assert (waited.until - waited.since).total_seconds() > 40


def test_of_many_waits_the_newest_are_kept() -> None:
    waits = PastWaits()
    for number in range(MOST_WAITS + 5):
        one = PastWait(call="c", waiting_on="s", reason="r", since=NOW, until=NOW, attempts=number)
        waits = waits.and_then([one])
    assert [one.attempts for one in waits.past] == list(range(5, MOST_WAITS + 5))
    assert waits.left_out == 5
