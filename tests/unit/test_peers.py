"""The bench beside other tools: all take the same steps to the same model; and what the table says."""

from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest

from bench.flights import Stage
from bench.peers.contest import (
    BARE,
    LAUREL,
    Rival,
    Rounds,
    contest,
    require_all_steps,
    require_same_error,
)
from bench.peers.pages import plot, table
from bench.processes import Answer
from bench.steps.order import STEPS, Place, Request

NAMES = ["split", "version", "train", "evaluate", "decide", "promote"]
ROUNDS = Rounds({BARE: [2.0, 4.0, 2.0], LAUREL: [1.0, 1.0, 1.5], "kedro": [3.0, 4.0, 5.0]})


def test_there_are_six_steps_and_each_needs_only_earlier_ones() -> None:
    assert [step.name for step in STEPS] == NAMES
    for place, step in enumerate(STEPS):
        assert set(step.needs) <= set(NAMES[:place])


def test_the_order_of_the_steps_is_the_only_one_for_a_tool_that_goes_by_what_each_needs() -> None:
    """But for versioning, which needs files and no value: tools are told that it comes after the split."""
    assert [step.name for earlier, step in pairwise(STEPS) if earlier.name not in step.needs] == ["version"]


def test_a_request_comes_back_from_plain_values(tmp_path: Path) -> None:
    request = Request(Place(tmp_path, "http://127.0.0.1:5000", "flights"), 3)
    assert Request.of(request.values()) == request


@pytest.mark.parametrize("done", [NAMES[:-1], [*NAMES, "promote"], NAMES[::-1]])
def test_who_takes_other_steps_is_not_measured(done: list[str]) -> None:
    require_all_steps("kedro", NAMES)
    with pytest.raises(SystemExit, match="kedro took the steps"):
        require_all_steps("kedro", done)


@pytest.mark.parametrize("error", [0.25 + 2e-12, 0.25 - 2e-12, float("nan")])
def test_who_trains_another_model_is_not_measured(error: float) -> None:
    require_same_error({BARE: 0.25, "kedro": 0.25 + 5e-13})
    with pytest.raises(SystemExit, match="kedro"):
        require_same_error({BARE: 0.25, "kedro": error})


def test_the_table_has_medians_spreads_and_the_median_of_the_rounds_ratios_the_quickest_first() -> None:
    _, _, laurel, bare, kedro = table(ROUNDS)
    assert laurel == "| **Laurel** | 1.00 s | 1.00 to 1.50 s | **0.50** |"
    assert bare == "| bare script | 2.00 s | 2.00 to 4.00 s | 1 |"
    assert kedro == "| kedro | 4.00 s | 3.00 to 5.00 s | **1.50** |"


def test_rounds_go_on_only_with_the_same_rivals() -> None:
    rounds = Rounds()
    rounds.add({BARE: 2.0, "kedro": 3.0}, 0.5)
    rounds.add({"kedro": 4.0, BARE: 2.5}, 0.7)
    assert rounds == Rounds({BARE: [2.0, 2.5], "kedro": [3.0, 4.0]}, [0.5, 0.7])
    with pytest.raises(SystemExit, match="same rivals"):
        rounds.add({BARE: 2.0}, 0.1)


def test_the_plot_is_the_same_picture_each_time() -> None:
    assert plot(ROUNDS) == plot(ROUNDS)


async def test_each_trains_once_in_every_round_and_the_next_one_begins() -> None:
    asked: list[str] = []

    def rival(title: str) -> Rival:
        async def train(version: int) -> Answer:
            asked.append(f"{title}{version}")
            return Answer(1.0, 0.25)

        return Rival(title, cast("Stage", StageThatNeverGrows()), train)

    rivals = [rival(BARE), rival("kedro"), rival("dagster")]
    rounds = [seconds async for seconds in contest(rivals, 2, lambda _: None)]
    assert rounds == [{BARE: 1.0, "kedro": 1.0, "dagster": 1.0}] * 2
    assert asked[3:] == [f"{BARE}2", "kedro2", "dagster2", "kedro3", "dagster3", f"{BARE}3"]
    assert set(asked[:3]) == {f"{BARE}1", "kedro1", "dagster1"}  # the warm-up


class StageThatNeverGrows:
    def deliver(self, number: int) -> int:
        return number
