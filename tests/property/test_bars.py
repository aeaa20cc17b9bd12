"""Holds and quarantines turn down what would have been promoted, and nothing else."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.comparison import SAME_RELATIVE
from domain.hold import HoldEnding, PromotionHold, held
from domain.ledger import Cause, LedgerEntry, next_entry
from domain.metrics import Score
from domain.promotion_checks import Check, Decision, Verdict
from domain.quarantine import (
    Quarantine,
    Recipe,
    has_its_score,
    may_be_it,
    quarantined,
    quarantines_by,
    same_recipe,
)
from domain.rollback import rollback_entry, rolled_away
from domain.run_actions import Actor
from domain.values import VersionTriple

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ANNA = Actor(name="anna", door="api", proven=True)
_moments = st.integers(-1000, 1000).map(lambda seconds: NOW + timedelta(seconds=seconds))
_decisions = st.sampled_from(Decision)
_digests = st.sampled_from(["a" * 64, "b" * 64])
_numbers = st.integers(1, 3)
_triples = st.builds(VersionTriple, split_version=_numbers, feature_version=_numbers, model_version=_numbers)
_recipes = st.builds(Recipe, triple=_triples, train_digest=_digests)
_errors = st.floats(min_value=1e-3, max_value=1e3, allow_nan=False)
_scores = st.builds(
    lambda error, digest: Score(metrics={"rmsle": error}, dataset_digest=digest, rows=10), _errors, _digests
)
_endings = st.none() | st.just(HoldEnding(ending_id="e", at=NOW, actor=ANNA))
_holds = st.builds(
    PromotionHold,
    hold_id=st.just("h"),
    model_name=st.just("price"),
    reason=st.text(min_size=1, max_size=20),
    actor=st.just(ANNA),
    at=st.just(NOW),
    until=st.none() | _moments,
    ending=_endings,
)


def verdict(decision: Decision) -> Verdict:
    """What the gate said."""
    checks = (Check(name="gain_above_minimum_effect", passed=decision is Decision.PROMOTE, detail="d"),)
    return Verdict(decision=decision, reasons=("the gate's own reason",), checks=checks, metric="mae")


def quarantine(recipe: Recipe | None = None, score: Score | None = None) -> Quarantine:
    return Quarantine(
        model_name="price",
        generation=2,
        version=2,
        by_generation=3,
        reason="too high",
        actor="anna (api)",
        at=NOW,
        recipe=recipe,
        score=score,
    )


@given(_holds, _moments)
def test_a_hold_stands_until_it_is_ended_or_its_time_has_come(hold: PromotionHold, now: datetime) -> None:
    ended = hold.ending is not None
    assert hold.stands(now) == (not ended and (hold.until is None or now < hold.until))


@given(_decisions, _holds)
def test_only_a_promotion_is_held_and_all_that_the_gate_said_stays(
    decision: Decision, hold: PromotionHold
) -> None:
    before = verdict(decision)
    after = held(before, hold)
    if decision is not Decision.PROMOTE:
        assert after == before
        return
    assert (after.decision, after.metric) == (Decision.HELD, before.metric)
    assert after.checks[:-1] == before.checks
    assert after.reasons[1:] == before.reasons
    assert not after.checks[-1].passed
    assert hold.reason in after.reasons[0]
    assert held(before, None) == before


@given(_decisions, st.booleans())
def test_only_a_promotion_is_quarantined_and_the_way_out_is_named(decision: Decision, by: bool) -> None:  # noqa: FBT001
    before = verdict(decision)
    after = quarantined(before, quarantine(), by_recipe=by)
    if decision is not Decision.PROMOTE:
        assert after == before
        return
    assert after.decision is Decision.QUARANTINED
    assert "laurel quarantine lift 2 --reason" in after.reasons[0]
    assert held(after, None) == after


@given(st.none() | _recipes, st.lists(st.none() | _recipes, max_size=4))
def test_a_recipe_repeats_exactly_those_with_the_same_versions_and_bytes(
    recipe: Recipe | None, others: list[Recipe | None]
) -> None:
    found = same_recipe(recipe, map(quarantine, others))
    assert (found is not None) == (recipe is not None and recipe in others)
    spelled = {str(one) for one in others if one}
    assert (str(recipe) in spelled) == (recipe in others and recipe is not None)


@given(_scores, _scores)
def test_scores_alone_tell_two_models_apart_on_the_same_bytes(one: Score, two: Score) -> None:
    left = quarantine(score=two)
    same_bytes = one.dataset_digest == two.dataset_digest
    near = abs(one.metrics["rmsle"] - two.metrics["rmsle"]) <= 2 * SAME_RELATIVE
    assert may_be_it(one, left) == (near or not same_bytes)
    assert has_its_score(one, left) == (near and same_bytes)
    assert may_be_it(one, quarantine())
    assert not has_its_score(one, quarantine())


@given(st.lists(st.integers(1, 4), min_size=2, max_size=8), st.data())
def test_a_rollback_quarantines_what_it_leaves_and_never_what_it_returns_to(
    versions: list[int], data: st.DataObject
) -> None:
    entries: list[LedgerEntry] = []
    for version in versions:
        facts = {"cause": Cause.GATE, "reasons": ("r",), "actor": "w", "at": NOW}
        entries.append(next_entry("price", entries[-1] if entries else None, version=version, **facts))
    target, head = entries[data.draw(st.integers(0, len(entries) - 2))], entries[-1]
    left = rolled_away(entries, target, head)
    rollback = rollback_entry(head, target, reason="too high", actor="anna", at=NOW, key="k")
    made = quarantines_by(rollback, left, {})
    assert {one.version for one in made} == {entry.version for entry in left} - {target.version}
    assert len({one.version for one in made}) == len(made)
    assert all(one.by_generation == rollback.generation and one.reason == "too high" for one in made)
