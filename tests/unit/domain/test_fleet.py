"""A fleet is told by those who were heard of, and by what nobody heard of does."""

import pytest

from domain.fleet import Fleet, fleet_of, span
from domain.ports.workers import WORKER, HeardProcess, Waiting
from tests.kit.builders import NOW


def process(name: str, silent: float = 0.0, model: str = "price", role: str = WORKER) -> HeardProcess:
    return HeardProcess(
        process_id=name,
        role=role,
        name=name,
        model_name=model,
        host="host",
        pid=7,
        laurel_version="0.2.0",
        started_at=NOW,
        heard_at=NOW,
        silent_seconds=silent,
    )


def fleet(*heard: HeardProcess, holders: tuple[str, ...] = (), readers: int = 0) -> Fleet:
    return fleet_of("price", heard, Waiting(held=len(holders), holders=holders), readers)


def test_one_hung_worker_among_living_ones_is_named_and_is_no_fault() -> None:
    found = fleet(process("a"), process("b", silent=31), holders=("a",))
    assert (found.works, found.is_whole) == (True, False)
    assert found.told.endswith("no runs in hand; silent: b, pid 7 on host, for 31 s")
    assert "end a hanging worker" in found.advice


def test_a_hung_worker_that_still_holds_a_run_is_not_taken_for_an_older_laurel() -> None:
    found = fleet(process("a", silent=45), holders=("a",), readers=1)
    assert not found.works
    assert found.told.startswith("no worker of model price seen for 45 s")


@pytest.mark.parametrize(("holders", "readers"), [(("old",), 0), ((), 2)])
def test_a_fleet_of_0_1_0_is_not_called_dead(holders: tuple[str, ...], readers: int) -> None:
    found = fleet(holders=holders, readers=readers)
    assert (found.works, found.is_whole) == (True, False)
    assert "as one of Laurel 0.1.0" in found.told


def test_an_old_worker_beside_new_ones_is_named() -> None:
    found = fleet(process("a"), holders=("a", "old"))
    assert found.told.endswith("runs are held without a heartbeat by: old")
    assert found.advice.startswith("upgrade those without heartbeats")


def test_other_roles_and_the_silent_of_other_models_are_no_workers() -> None:
    found = fleet(
        process("a", role="reload-listener"), process("b", model="rent"), process("c", 99, model="gone")
    )
    assert not found.works
    assert found.told == "no worker of model price was seen within a day; there are workers of: rent"


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0 s"), (40, "40 s"), (600, "10 min"), (10_800, "3 h"), (200_000, "2 days")]
)
def test_a_span_is_told_in_its_unit(seconds: float, told: str) -> None:
    assert span(seconds) == told
