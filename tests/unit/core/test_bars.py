"""What a person bars is trained and judged, and not promoted; and how a person bars it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.bar_announcement import hold_begun, hold_ended, quarantine_begun
from domain.errors import ModelUnusable, NeverRetry, TryLater
from domain.hold import CannotHold, HoldEnding, PromotionHold
from domain.ledger import next_entry
from domain.lifecycle import State
from domain.points import Point, Points
from domain.promotion_checks import Decision
from domain.quarantine import CannotLift
from domain.run import Run
from domain.run_actions import Actor
from service.lifecycle.steps.record_end import model_card
from service.promotion.hold_looks import HoldLooks
from service.promotion.holding import PromotionHolding
from service.promotion.quarantining import Lifting, quarantines_of
from service.runtime.told_once import look_forever
from tests.fakes.bars import FakeQuarantines
from tests.kit.builders import MODEL, PROVENANCE, a_file
from tests.worlds.stage import Stage

ANNA = Actor(name="anna", door="api", proven=True)
BEN = Actor(name="ben@host", door="command line", proven=False)


class At(Points):
    """Does something once, when a point is passed."""

    def __init__(self, point: Point) -> None:
        self._point = point
        self.do: Callable[[], Awaitable[object]] | None = None

    async def at(self, point: Point) -> None:
        if point is self._point and self.do is not None:
            doing, self.do = self.do, None
            await doing()


def holding(stage: Stage) -> PromotionHolding:
    return PromotionHolding(MODEL, stage.holds, stage.clock)


def lifting(stage: Stage) -> Lifting:
    return Lifting(MODEL, FakeQuarantines(stage.memory, MODEL), stage.clock)


def decision(run: Run) -> Decision:
    assert run.record.decided is not None
    return run.record.decided.verdict.decision


def reason(run: Run) -> str:
    assert run.record.decided is not None
    return run.record.decided.verdict.reasons[0]


async def roll_back(stage: Stage, why: str = "it doubled every price") -> None:
    """Return to the first generation, as a rollback does."""
    entries = await stage.ledger.entries(MODEL)
    facts = {"cause": "rollback", "reasons": (why,), "actor": "anna (api)", "at": stage.clock.now()}
    entry = next_entry(MODEL, entries[-1], version=entries[0].version, **facts)
    left = await quarantines_of(entry, entries[1:], stage.store)
    await stage.ledger.append(entry, quarantines=left, announcements=[*map(quarantine_begun, left)])


async def with_two_champions(stage: Stage) -> None:
    """The second, of other bytes, was rolled back from."""
    await stage.done(0.5)
    stage.files.parts = stage.files.parts.model_copy(update={"train": a_file("another train", 81)})
    stage.trainer.champions = {1: 0.5, 2: 0.4}
    await stage.done(0.4)
    await roll_back(stage)


class TestHeld:
    async def test_a_candidate_that_would_have_won_ends_declined_with_who_holds_and_why(
        self, stage: Stage
    ) -> None:
        await holding(stage).hold("audit until noon", None, ANNA)
        run = await stage.done(0.5)
        assert (run.state, decision(run)) == (State.DECLINED, Decision.HELD)
        assert "by anna (api), until `laurel release`: audit until noon" in reason(run)
        assert stage.topics(run.run_id) == ["split.completed", "model.evaluated", "model.declined"]
        assert not stage.registry.versions.get(MODEL)
        record = stage.tracker.runs[run.mlflow_run_id]
        assert record.tags["laurel.verdict"] == "HELD"
        assert "held" in record.name
        assert "HELD" in model_card(run, run.record, PROVENANCE).markdown()

    async def test_a_candidate_that_would_have_lost_is_declined_as_ever(self, stage: Stage) -> None:
        await stage.done(0.5)
        await holding(stage).hold("audit", None, ANNA)
        assert decision(await stage.done(0.6)) is Decision.DECLINE

    @pytest.mark.parametrize("point", [Point.DECIDE_AFTER_BARS, Point.DECIDE_BEFORE_COMMIT])
    async def test_a_hold_that_begins_at_the_decision_is_seen_by_the_ledger(self, point: Point) -> None:
        points = At(point)
        stage = Stage(points)
        points.do = lambda: holding(stage).hold("prices look wrong", None, ANNA)
        run = await stage.done(0.5)
        assert (run.state, decision(run)) == (State.DECLINED, Decision.HELD)
        assert await stage.ledger.entries(MODEL) == []

    async def test_a_candidate_that_is_judged_when_promotions_are_released_may_win(self) -> None:
        points = At(Point.EVALUATE_BETWEEN_MODELS)
        stage = Stage(points)
        await holding(stage).hold("audit", None, ANNA)
        points.do = lambda: holding(stage).release("done", BEN)
        assert decision(await stage.done(0.5)) is Decision.PROMOTE


class TestHolding:
    async def test_a_hold_is_announced_and_is_over_at_its_time(self, stage: Stage) -> None:
        until = stage.clock.now() + timedelta(minutes=5)
        await holding(stage).hold("audit", until, ANNA)
        looks = HoldLooks(holding(stage), stage.metrics)
        await looks.look()
        assert shown(stage) == 1.0
        await stage.clock.advance(301)
        await looks.look()
        await looks.look()
        assert shown(stage) == 0.0
        assert stage.topics() == ["promotion.held", "promotion.released"]
        assert decision(await stage.done(0.5)) is Decision.PROMOTE

    async def test_of_two_holds_the_second_is_refused_with_the_name_of_the_first(self, stage: Stage) -> None:
        await holding(stage).hold("audit", None, ANNA)
        with pytest.raises(CannotHold, match=r"by anna \(api\).*audit.*laurel release") as refused:
            await holding(stage).hold("another", None, BEN)
        assert refused.value.reason == "held_already"

    async def test_a_request_under_one_key_is_harmless_and_another_one_is_refused(self, stage: Stage) -> None:
        first = await holding(stage).hold("audit", None, ANNA, "k")
        assert await holding(stage).hold("audit", None, ANNA, "k") == first
        with pytest.raises(NeverRetry, match="that id is of another hold"):
            await holding(stage).hold("other", None, ANNA, "k")
        ended = await holding(stage).release(None, ANNA, "r")
        assert await holding(stage).release(None, ANNA, "r") == ended
        with pytest.raises(CannotHold) as refused:
            await holding(stage).release(None, BEN, "r")
        assert refused.value.reason == "not_held"

    async def test_what_cannot_be_a_hold_is_refused(self, stage: Stage) -> None:
        for text, until in ((" ", None), ("x" * 2001, None), ("audit", stage.clock.now())):
            with pytest.raises(NeverRetry):
                await holding(stage).hold(text, until, ANNA)
        assert stage.topics() == []

    async def test_a_store_that_is_away_is_looked_at_the_next_time(self, stage: Stage) -> None:
        async def away() -> PromotionHold | None:
            raise TryLater("postgres_unavailable", "no answer", waiting_on="postgres")

        stage.holds.open = away  # type: ignore[method-assign]
        looks = HoldLooks(holding(stage), stage.metrics)
        task = asyncio.create_task(look_forever(looks.look, "hold_not_read", stage.clock))
        await asyncio.sleep(0)
        assert not task.done()
        task.cancel()

    def test_what_is_announced_of_a_hold_belongs_together(self, stage: Stage) -> None:
        hold = PromotionHold(hold_id="h", model_name=MODEL, reason="audit", actor=ANNA, at=stage.clock.now())
        begun = hold_begun(hold)
        ended = hold_ended(hold, HoldEnding(ending_id="e", at=stage.clock.now()))
        assert ended.headers["ce_causationid"] == begun.event_id
        assert ended.headers["ce_correlationid"] == begun.headers["ce_correlationid"] == begun.event_id


class TestQuarantined:
    async def test_the_same_recipe_is_not_promoted_again_until_that_is_lifted(self, stage: Stage) -> None:
        await with_two_champions(stage)
        run = await stage.done(0.4)
        assert (run.state, decision(run)) == (State.DECLINED, Decision.QUARANTINED)
        assert "the same recipe" in reason(run)
        assert "anna (api) rolled back from it with generation 3: it doubled every price" in reason(run)
        assert "laurel quarantine lift 2" in reason(run)
        await lifting(stage).lift(2, "it was the gateway", ANNA)
        assert decision(await stage.done(0.4)) is Decision.PROMOTE
        topics = [topic for topic in stage.topics() if "quarantine" in topic]
        assert topics == ["model.quarantined", "model.quarantine_lifted"]

    async def test_the_same_model_of_another_recipe_is_not_promoted_either(self, stage: Stage) -> None:
        await with_two_champions(stage)
        stage.files.parts = stage.files.parts.model_copy(update={"train": a_file("a third train", 82)})
        stage.trainer.same = True
        run = await stage.done(0.4)
        assert decision(run) is Decision.QUARANTINED
        assert "the same model (every prediction" in reason(run)
        stage.trainer.same = False
        assert decision(await stage.done(0.4)) is Decision.PROMOTE

    async def test_a_model_whose_score_differs_is_not_even_asked(self, stage: Stage) -> None:
        await with_two_champions(stage)
        stage.files.parts = stage.files.parts.model_copy(update={"train": a_file("a third train", 82)})
        stage.trainer.same = True
        before = stage.script.calls["same_predictions"]
        assert decision(await stage.done(0.3)) is Decision.PROMOTE
        assert stage.script.calls["same_predictions"] == before

    async def test_a_version_that_cannot_be_asked_is_the_same_where_its_score_agrees(
        self, stage: Stage
    ) -> None:
        await with_two_champions(stage)
        stage.files.parts = stage.files.parts.model_copy(update={"train": a_file("a third train", 82)})
        stage.script.always["same_predictions"] = ModelUnusable("unloadable_model", "gone")
        assert decision(await stage.done(0.4)) is Decision.QUARANTINED

    async def test_a_quarantine_goes_before_a_hold(self, stage: Stage) -> None:
        await with_two_champions(stage)
        await holding(stage).hold("audit", None, ANNA)
        assert decision(await stage.done(0.4)) is Decision.QUARANTINED

    async def test_a_rollback_at_the_decision_is_seen(self) -> None:
        """The head has moved, and the candidate is judged again: by then its recipe is quarantined."""
        points = At(Point.DECIDE_BEFORE_COMMIT)
        stage = Stage(points)
        await stage.done(0.5)
        stage.files.parts = stage.files.parts.model_copy(update={"train": a_file("another train", 81)})
        stage.trainer.champions = {1: 0.5, 2: 0.4, 3: 0.3}
        await stage.done(0.4)
        points.do = lambda: roll_back(stage)
        run = await stage.done(0.3)
        assert decision(run) is Decision.QUARANTINED
        head = await stage.ledger.head(MODEL)
        assert head is not None
        assert (head.generation, head.version) == (3, 1)

    async def test_a_lift_is_harmless_under_one_key_and_says_what_is_quarantined(self, stage: Stage) -> None:
        await with_two_champions(stage)
        with pytest.raises(CannotLift, match="generation 7 of price is not quarantined; those that are: 2"):
            await lifting(stage).lift(7, "why", ANNA)
        first = await lifting(stage).lift(2, "why", ANNA, "k")
        assert await lifting(stage).lift(2, "why", ANNA, "k") == first
        with pytest.raises(NeverRetry, match="that id lifted the quarantine of generation 2"):
            await lifting(stage).lift(7, "why", ANNA, "k")
        with pytest.raises(CannotLift):
            await lifting(stage).lift(2, "why", ANNA)


_ACTS = [point for point in Point if point.startswith(("hold.", "release.", "lift."))]


@pytest.mark.parametrize("point", _ACTS)
async def test_who_dies_at_any_point_repeats_the_request_and_it_is_one_act(
    stage: Stage, point: Point
) -> None:
    """Under its key, as a caller without an answer does."""
    await with_two_champions(stage)
    before, dying = len(stage.memory.outbox), At(point)

    async def die() -> None:
        raise ConnectionAbortedError

    dying.do = die
    acts: dict[str, Callable[[Points], Awaitable[object]]] = {
        "hold.": lambda points: replace(holding(stage), points=points).hold("audit", None, ANNA, "k"),
        "release.": lambda points: replace(holding(stage), points=points).release("done", ANNA, "k"),
        "lift.": lambda points: replace(lifting(stage), points=points).lift(2, "why", ANNA, "k"),
    }
    if point.startswith("release."):
        await holding(stage).hold("audit", None, ANNA)
        before += 1
    act = next(act for name, act in acts.items() if point.startswith(name))
    with pytest.raises(ConnectionAbortedError):
        await act(dying)
    done = await act(dying)
    assert await act(dying) == done
    assert len(stage.memory.outbox) == before + 1


def shown(stage: Stage) -> float | None:
    """What `laurel_hold` shows."""
    lines = stage.metrics.render().decode().splitlines()
    line = next(line for line in lines if line.startswith("laurel_hold"))
    return float(line.rpartition(" ")[2])
