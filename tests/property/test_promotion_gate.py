"""The gate fails closed, and promotes exactly what is better by more than the minimum effect."""

from hypothesis import given
from hypothesis import strategies as st

from domain.promotion_checks import Champion, NoChampion, UnreadableChampion
from domain.promotion_policy import PromotionPolicy, decide
from domain.score import Score
from domain.verdict import Decision

_numbers = st.floats(min_value=0, max_value=1e6, allow_nan=False)
_effects = st.floats(min_value=0, max_value=10, allow_nan=False)
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
