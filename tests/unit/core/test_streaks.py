"""Verdicts that repeat themselves are told once, when a row of them has become long enough."""

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from domain.errors import NeverRetry
from domain.promotion_checks import PromotionPolicy
from domain.run import Run
from domain.streaks import MOST, TOLD_AT, Kind, PastVerdict, streak_at
from tests.worlds.stage import Stage, fails


@given(kinds=st.lists(st.sampled_from([None, *Kind] + [Kind.BELOW_MINIMUM] * 8), max_size=60))
def test_each_row_that_is_long_enough_is_told_exactly_once(kinds: list[Kind | None]) -> None:
    past = [PastVerdict(run_id=str(number), kind=kind) for number, kind in enumerate(kinds)]
    told = [streak_at(past[: number + 1][::-1][:MOST]) for number in range(len(past))]
    rows = [(kind, len(list(row))) for kind, row in groupby(kinds)]
    for kind in Kind:
        assert told.count(kind) == sum(of is kind and length >= TOLD_AT[kind] for of, length in rows)


def test_a_run_that_has_no_verdict_is_told_of_by_nobody() -> None:
    assert streak_at([]) is None


async def test_a_verdict_is_of_the_kind_that_the_gate_made_it(stage: Stage) -> None:
    stage.policy = PromotionPolicy(metric="mae", minimum_effect=0.4)

    def kind(run: Run) -> Kind | None:
        return PastVerdict.of_run(run.run_id, run.record).kind

    assert kind(await stage.done(0.5)) is None
    assert kind(await stage.done(0.45)) is Kind.BELOW_MINIMUM
    assert kind(await stage.done(0.5)) is None, "no gain at all"
    assert kind(await stage.done(0.55)) is None
    fails("score_champion", stage, NeverRetry("unloadable_model", "no"))
    assert kind(await stage.done(0.45)) is Kind.INCONCLUSIVE
    assert kind(await stage.done(0.35)) is None
