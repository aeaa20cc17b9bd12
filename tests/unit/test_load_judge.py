"""The judge of a load finds what must not be, and the load itself counts what gets no answer."""

import asyncio

import pytest

from bench.load.judge import Truth, judge
from bench.load.open_loop import Call, Plan, load
from service.local.servers.ports import free_port

TRUTH = Truth({"1": [10.0, 20.0], "2": [11.0, 21.0]}, {1: "1", 2: "2", 3: "1"})


def call(version: str, generation: int, prediction: float, *, row: int = 0, connection: int = 0) -> Call:
    return Call(80, connection, row, 0.0, 0.0, 0.001, prediction, version, generation)


def test_answers_of_either_version_pass_while_the_generation_grows() -> None:
    calls = [
        call("1", 1, 10.0),
        call("2", 2, 21.0, row=1),
        call("1", 3, 10.0),
        call("2", 2, 11.0, connection=1),
    ]
    verdict = judge(calls, TRUTH)
    assert (verdict.calls, verdict.failed, verdict.wrong, verdict.backwards) == (4, {}, [], [])


@pytest.mark.parametrize(
    "mixed_up",
    [call("2", 2, 10.0), call("1", 1, 20.0), call("1", 2, 10.0), call("2", 9, 11.0)],
    ids=["the other model's number", "the other row's number", "another generation", "none there is"],
)
def test_an_answer_that_is_not_its_own_version_s_is_found(mixed_up: Call) -> None:
    assert judge([call("1", 1, 10.0), mixed_up], TRUTH).wrong == [mixed_up]


def test_a_generation_that_steps_back_on_one_connection_is_found() -> None:
    later, older = call("1", 3, 10.0), call("2", 2, 11.0)
    assert judge([later, older], TRUTH).backwards == [(later, older)]


async def test_requests_that_nobody_answers_are_failed_ones_and_keep_to_their_schedule() -> None:
    calls: list[Call] = []
    async with asyncio.timeout(20):
        plan = Plan([free_port()], [{"size": 1.0}], rate=500)
        await load(plan, lambda: len(calls) >= 20, calls)
    assert sum(judge(calls, TRUTH).failed.values()) == len(calls)
    places = [(call.due - min(call.due for call in calls)) * 500 for call in calls]
    assert places == pytest.approx([round(place) for place in places], abs=1e-3)
    assert len({round(place) for place in places}) == len(calls)
