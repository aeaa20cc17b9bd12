"""Following a run, and saying in a line how it goes and how it ended."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config.topics import EVENT_TOPICS
from domain.lifecycle import Outcome, State
from domain.request import Coordinates
from domain.run import Failure, Run
from service.adapters.kafka.requests import ReadEvent
from service.cli.following import Lines, doing, followed
from service.cli.formatting import event_line, run_row, verdict_line
from tests.contract.stores import LONG, MLFLOW_AWAY, Stores, brought_to, claim, in_memory, request
from tests.fakes.memory import Memory

MODEL = "price"
REJECTED = Failure(
    reason="unknown_version",
    message="the request is not accepted",
    facts={"faults": [{"message": "features/v99.yaml does not exist", "allowed": "1, 2"}]},
)


@pytest.fixture
def stores() -> Stores:
    return in_memory(Memory(), MODEL)


async def test_every_change_is_told_and_the_end_returned(stores: Stores) -> None:
    told: list[tuple[State, str | None]] = []
    following = asyncio.create_task(
        followed(
            stores.runs, MODEL, "r1", lambda run: told.append((run.state, run.waiting_on)), stored_within=LONG
        )
    )
    for name in ("other", MODEL):  # another model's request of the same identity
        await stores.runs.add(request(name, "r1"))
    run = await claim(stores, MODEL)

    async def until(seen: tuple[State, str | None]) -> None:
        async with asyncio.timeout(10):
            while seen not in told:  # noqa: ASYNC110 - looks at what the other task has told
                await asyncio.sleep(0.01)

    await until((State.REQUESTED, None))
    await stores.runs.note_waiting(run, MLFLOW_AWAY, waiting_on="mlflow")
    await until((State.REQUESTED, "mlflow"))
    await stores.runs.advance(run, Outcome.REFUSED, failure=REJECTED)

    ended = await following
    assert ended is not None
    assert ended.state is State.REJECTED
    assert [state for state, _ in told][-1] is State.REJECTED


async def test_a_request_that_no_worker_takes_is_given_up(stores: Stores) -> None:
    assert await followed(stores.runs, MODEL, "r1", lambda _: None, stored_within=0.05) is None


@pytest.fixture
async def run(stores: Stores) -> Run:
    await stores.runs.add(request(MODEL, "r1", requested_by="ann"))
    return await claim(stores, MODEL)


async def test_lines_tell_each_state_once_and_what_is_waited_for(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    since = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    waiting = run.model_copy(update={"waiting_on": "mlflow", "waiting_since": since, "failure": MLFLOW_AWAY})
    later = run.model_copy(
        update={"state": State.RESOLVED, "updated_at": run.requested_at + timedelta(seconds=1.5)}
    )

    with Lines() as lines:
        for step in (run, run, waiting, waiting, later, later):
            lines.tell(step)

    written = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in (written[0], written[-2])] == ["REQUESTED", "RESOLVED"]
    assert "1.50 s" in written[-2]
    assert f"waits for mlflow since {since:%Y-%m-%d %H:%M:%S}Z: MLflow does not answer" in written[1]
    assert len(written) == 4


async def test_what_a_run_does_now_is_its_next_step(run: Run) -> None:
    assert doing(run) == "resolve"
    assert doing(run.model_copy(update={"attempts": 2})) == "resolve (attempt 2)"
    assert doing(run.model_copy(update={"waiting_on": "mlflow"})) == "waits for mlflow"


async def test_a_rejection_says_what_is_allowed(stores: Stores, run: Run) -> None:
    ended = await stores.runs.advance(run, Outcome.REFUSED, failure=REJECTED)

    assert verdict_line(ended) == "features/v99.yaml does not exist; allowed: 1, 2"
    assert run_row(ended)[5] == "unknown_version"


async def test_a_failure_says_why(stores: Stores, run: Run) -> None:
    run = await brought_to(stores, run, Outcome.RESOLVED)
    ended = await stores.runs.advance(run, Outcome.GAVE_UP, failure=MLFLOW_AWAY)

    assert verdict_line(ended) == "mlflow_unavailable: MLflow does not answer"


SCORE: Mapping[str, Any] = {"metrics": {"rmsle": 0.123456}}
EVENTS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "split.completed": (
        {"train": {"rows": 8}, "reference": {"rows": 2, "sha256": "ab" * 32}},
        "8 train, 2 reference rows; reference abababababab",
    ),
    "model.evaluated": ({"candidate": SCORE, "champion": None}, "rmsle 0.12346, champion none"),
    "model.promoted": (
        {"generation": 3, "version": 7, "cause": "gate", "reasons": ["better"]},
        "generation 3: version 7 (gate); better",
    ),
    "model.declined": ({"decision": "DECLINE", "reasons": ["worse"]}, "DECLINE: worse"),
    "training.rejected": ({"faults": [{"message": "no such field"}]}, "no such field"),
    "inference.reloaded": (
        {
            "replica": "http://i:1#10.0.0.3",
            "generation": 3,
            "version": 7,
            "seconds_since_promotion": 0.25,
        },
        "http://i:1#10.0.0.3 serves generation 3: version 7, after 0.25 s",
    ),
    "inference.diverged": (
        {"replica": "http://i:1", "generation": 3, "version": 7, "reason": "no_answer", "detail": "in 20 s"},
        "http://i:1 does not serve generation 3: no_answer: in 20 s",
    ),
    "champion.missing": ({"generation": 3, "message": "restore it"}, "generation 3: restore it"),
    "promotion.held": (
        {"until": None, "actor": "anna", "reason": "audit"},
        "until released, by anna: audit",
    ),
    "promotion.released": (
        {"actor": None, "reason": None, "held_because": "audit"},
        "by its time: audit",
    ),
    **dict.fromkeys(
        ("model.quarantined", "model.quarantine_lifted"),
        (
            {"generation": 3, "version": 7, "actor": "anna (api)", "reason": "too high"},
            "generation 3: version 7, by anna (api): too high",
        ),
    ),
    "training.failed": ({"reason": "disk_full", "message": "no room"}, "disk_full: no room"),
}


@pytest.mark.parametrize("topic", EVENT_TOPICS)
def test_each_event_is_a_line_with_its_moment(topic: str) -> None:
    body, gist = EVENTS[topic]
    place = Coordinates(topic=topic, partition=0, offset=0, timestamp_ms=1_700_000_000_123)

    line = event_line(ReadEvent(place, MODEL, {}, {"run_id": "85a27d19-x", **body}))

    assert line.split() == ["2023-11-14", "22:13:20.123Z", topic, "85a27d19", *gist.split()]


def test_an_event_that_lacks_what_it_should_carry_is_shown_all_the_same() -> None:
    place = Coordinates(topic="model.promoted", partition=0, offset=0, timestamp_ms=0)

    bodies: list[dict[str, Any] | None] = [{}, {"generation": 1, "reasons": []}, None]
    for data in bodies:
        assert "--json" in event_line(ReadEvent(place, None, {}, data))
