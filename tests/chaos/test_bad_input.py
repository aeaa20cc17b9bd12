"""Whatever comes in, each bad record is set aside once, each refusal says why, and the worker lives.

Its cost: 300 bad records among good ones, and a world of workers a case.
"""

from pathlib import Path

import pytest

from tests.chaos.figures import FIGURES
from tests.chaos.report import ROUNDS, SEED
from tests.chaos.world import Chaos
from tests.harm.bad_records import bad_records
from tests.oracle.facts import Kind
from tests.oracle.reading import dead_letters

BAD = 300
VERSIONS = (
    "../x",
    "/etc/passwd",
    "%2e%2e%2f1",
    "1\x00",
    "-rf",
    "9" * 10_240,
    "\u202e1",
    "\uff11",
    " 1",
    1.5,
    True,
    -1,
    10**9,
    [1],
)


@pytest.mark.parametrize("bad", [BAD, pytest.param(500 * ROUNDS, marks=pytest.mark.soak)])
async def test_every_bad_record_becomes_one_dead_letter(world: Chaos, bad: int) -> None:
    """Case B01: and the worker was never restarted."""
    (worker,) = await world.fleet.running("a")
    for value, headers, _ in bad_records(int(SEED), bad):
        await world.put(value, headers=headers, kind=Kind.BAD)
    await world.ask(1)
    rested = await world.at_rest(within=120 + bad / 10)
    assert (worker.lives, worker.alive) == (1, True)
    FIGURES.add("bad events", bad)
    FIGURES.add("bad events → dead letters", len(set(dead_letters(rested.late))))
    FIGURES.add("bad events → restarts", worker.lives - 1)


async def test_a_version_that_is_a_path_is_refused_and_touches_nothing(world: Chaos) -> None:
    """Case B04: every field that names a file."""
    await world.fleet.running("a")
    before = _files_around(world)
    for value in VERSIONS:
        for name in ("split_version", "feature_version", "model_version"):
            await world.put({name: value})
    rested = await world.at_rest(within=60)
    assert {run.state for run in rested.runs} == {"REJECTED"}
    assert {(run.failure or {})["reason"] for run in rested.runs} <= {"bad_version", "unknown_version"}
    assert _files_around(world) == before


def _files_around(world: Chaos) -> set[Path]:
    """Every file beside and below the roots, but those that change by themselves."""
    folder = Path(world.where.data_root).parent
    return {path for path in folder.rglob("*") if "chaos" not in path.parts}


async def test_a_master_that_cannot_be_read_fails_at_once(world: Chaos) -> None:
    """Case D03: a wrong magic, a corrupt page and a cut end are no reason to try again, or to die."""
    (worker,) = await world.fleet.running("a")
    master = world.deployment.world.master
    whole = master.read_bytes()
    for broken in (
        b"nonsense" + whole[8:],
        whole[: len(whole) // 2],
        whole[:400] + b"\xff" * 400 + whole[800:],
    ):
        master.write_bytes(broken)
        await world.ask(101)
        await world.ended(len(world.witness.sent))
    master.write_bytes(whole)
    await world.ask(101)
    rested = await world.at_rest()
    reasons = [run.failure["reason"] for run in rested.runs if run.failure]
    assert reasons == ["unreadable_dataset"] * 3
    assert [run.state for run in rested.runs].count("COMPLETED") == 1
    assert worker.lives == 1
