"""The gate fails closed, and promotes exactly what is better by more than the minimum effect."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domain.comparison import SAME_RELATIVE, Compared, may_be_the_same, same_predictions
from domain.metrics import Score, rmsle
from domain.promotion_checks import (
    Champion,
    Decision,
    NoChampion,
    PromotionPolicy,
    UnreadableChampion,
    decide,
)

_numbers = st.floats(min_value=0, max_value=1e6, allow_nan=False)
_effects = st.floats(min_value=0, max_value=10, allow_nan=False)
_predictions = st.one_of(st.just(0.0), st.floats(1e-6, 1e6), st.floats(-1e6, -1e-6))
_digests = st.sampled_from(["a" * 64, "b" * 64])


def _score(number: float | None, digest: str = "a" * 64) -> Score:
    return Score(metrics={} if number is None else {"rmsle": number}, dataset_digest=digest, rows=10)


def _champion(number: float | None, digest: str = "a" * 64) -> Champion:
    return Champion(version=1, generation=1, score=_score(number, digest))


@given(_numbers, _numbers, _effects)
def test_a_candidate_wins_only_by_more_than_the_minimum_effect(new: float, old: float, effect: float) -> None:
    verdict = decide(PromotionPolicy(minimum_effect=effect), _score(new), _champion(old))
    assert (verdict.decision is Decision.PROMOTE) == (old - new > effect)
    assert verdict.decision is not Decision.INCONCLUSIVE


@given(_numbers)
def test_equal_is_not_better(number: float) -> None:
    assert decide(PromotionPolicy(), _score(number), _champion(number)).decision is Decision.DECLINE


@given(st.one_of(st.just(NoChampion()), st.just(UnreadableChampion(why="gone")), _numbers.map(_champion)))
def test_a_candidate_without_a_number_never_wins(
    champion: Champion | NoChampion | UnreadableChampion,
) -> None:
    verdict = decide(PromotionPolicy(), _score(None), champion)
    assert verdict.decision is Decision.DECLINE
    assert verdict.checks[-1].name == "candidate_has_a_number"


@given(_numbers)
def test_a_champion_without_a_number_makes_it_inconclusive(number: float) -> None:
    verdict = decide(PromotionPolicy(), _score(number), _champion(None))
    assert verdict.decision is Decision.INCONCLUSIVE
    assert verdict.checks[-1].name == "champion_has_a_number"


@given(_numbers, _numbers, _digests, _digests)
def test_scores_on_different_bytes_are_never_compared(new: float, old: float, mine: str, theirs: str) -> None:
    verdict = decide(PromotionPolicy(), _score(new, mine), _champion(old, theirs))
    assert (verdict.decision is Decision.INCONCLUSIVE) == (mine != theirs)


@given(_numbers)
def test_an_unreadable_champion_is_never_no_champion(number: float) -> None:
    verdict = decide(PromotionPolicy(), _score(number), UnreadableChampion(why="its files are gone"))
    assert verdict.decision is Decision.INCONCLUSIVE
    assert "its files are gone" in verdict.reasons[0]


@given(_numbers)
def test_only_no_champion_lets_the_first_one_in(number: float) -> None:
    assert decide(PromotionPolicy(), _score(number), NoChampion()).decision is Decision.PROMOTE


def test_a_negative_score_is_no_number() -> None:
    assert decide(PromotionPolicy(), _score(-0.1), NoChampion()).decision is Decision.DECLINE


@given(_numbers, _numbers, st.integers(1, 10))
def test_a_metric_that_cannot_tell_good_from_bad_decides_nothing(new: float, old: float, below: int) -> None:
    """Not even for the first model: it would stay for ever."""
    compared = Compared(targets_below_zero=below)
    for champion in (NoChampion(), _champion(old)):
        verdict = decide(PromotionPolicy(), _score(new), champion, compared)
        assert verdict.decision is Decision.INCONCLUSIVE
        assert "metric_unfit" in verdict.reasons[0]
        assert f"{below} of 10" in verdict.reasons[0]


@given(_numbers, _numbers, _effects)
def test_the_mean_absolute_error_fits_targets_below_zero(new: float, old: float, effect: float) -> None:
    scores = [
        Score(metrics={"rmsle": 0.0, "mae": number}, dataset_digest="a" * 64, rows=10)
        for number in (new, old)
    ]
    policy = PromotionPolicy(metric="mae", minimum_effect=effect)
    champion = Champion(version=1, generation=1, score=scores[1])
    verdict = decide(policy, scores[0], champion, Compared(targets_below_zero=10))
    assert (verdict.decision is Decision.PROMOTE) == (old - new > effect)


@given(_numbers, _numbers)
def test_the_same_model_is_never_better(new: float, old: float) -> None:
    """Whatever the two numbers say."""
    verdict = decide(PromotionPolicy(), _score(new), _champion(old), Compared(same_predictions=True))
    assert verdict.decision is Decision.DECLINE
    assert verdict.reasons[0].startswith("the same model as version 1")


@given(_numbers, _numbers, st.one_of(st.none(), st.integers(0, 10)))
def test_what_the_champion_saw_of_the_reference_is_always_told_and_decides_nothing(
    new: float, old: float, seen: int | None
) -> None:
    compared = Compared(champion_trained_rows=seen)
    verdict = decide(PromotionPolicy(), _score(new), _champion(old), compared)
    assert verdict.decision is decide(PromotionPolicy(), _score(new), _champion(old)).decision
    (told,) = [check.detail for check in verdict.checks if check.name == "champion_on_the_reference"]
    assert ("it is unknown how many of" if seen is None else f"{seen} of 10 reference rows trained") in told
    assert (told in verdict.reasons) == bool(seen)


@given(st.lists(_predictions, min_size=1, max_size=20), st.integers(0, 19), st.floats(0, 1e-8))
def test_two_models_are_the_same_if_every_prediction_agrees(
    predictions: list[float], place: int, apart: float
) -> None:
    """And then their scores differ by so little that the scores alone never tell them apart."""
    one = np.array(predictions)
    other = one.copy()
    other[place % len(one)] *= 1 + apart
    same = same_predictions(one, other)
    if apart <= 0.99 * SAME_RELATIVE or not one[place % len(one)]:
        assert same
    if apart >= 1.01 * SAME_RELATIVE and one[place % len(one)]:
        assert not same
    truth = np.abs(one) + 1
    scores = [
        Score(metrics={"rmsle": rmsle(truth, said)}, dataset_digest="a" * 64, rows=1) for said in (one, other)
    ]
    assert may_be_the_same(*scores) or not same


def test_what_is_no_number_is_the_same_as_nothing() -> None:
    assert not same_predictions(np.array([1.0, np.nan]), np.array([1.0, np.nan]))
    assert not may_be_the_same(_score(None), _score(0.5))
