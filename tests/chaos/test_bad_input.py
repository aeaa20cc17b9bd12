"""Whatever comes in, each bad record is set aside once, each refusal says why, and the worker lives.

Its cost: 100 bad records, then versions and files that are no use, for one worker.
`make soak` sends thousands.
"""

from pathlib import Path

import pytest

from tests.chaos.figures import FIGURES
from tests.chaos.report import ROUNDS, SEED
from tests.chaos.world import Chaos
from tests.harm.bad_records import bad_records
from tests.kit.eventually import eventually
from tests.oracle.facts import Kind
from tests.oracle.reading import dead_letters

BAD = 100
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
async def test_bad_input_costs_one_dead_letter_or_one_refusal_and_never_the_worker(
    world: Chaos, bad: int
) -> None:
    (worker,) = await world.fleet.running("a")
    await _every_bad_record_becomes_one_dead_letter(world, bad)
    await _a_version_that_is_a_path_is_refused_and_touches_nothing(world)
    await _a_master_that_cannot_be_read_fails_at_once(world)
    assert (worker.lives, worker.alive) == (1, True)
    FIGURES.add("bad events → restarts", worker.lives - 1)


async def _every_bad_record_becomes_one_dead_letter(world: Chaos, bad: int) -> None:
    """Case B01."""
    for value, headers, _ in bad_records(int(SEED), bad):
        await world.put(value, headers=headers, kind=Kind.BAD)
    await eventually(lambda: len(list(dead_letters(world.reader.records))) >= bad, within=120 + bad / 10)
    FIGURES.add("bad events", bad)
    FIGURES.add("bad events → dead letters", len(set(dead_letters(world.reader.records))))


async def _a_version_that_is_a_path_is_refused_and_touches_nothing(world: Chaos) -> None:
    """Case B04: every field that names a file."""
    before = _files_around(world)
    for value in VERSIONS:
        for name in ("split_version", "feature_version", "model_version"):
            await world.put({name: value})
    refused = await world.ended(3 * len(VERSIONS))
    assert {run.state for run in refused.runs} == {"REJECTED"}
    assert {(run.failure or {})["reason"] for run in refused.runs} <= {"bad_version", "unknown_version"}
    assert _files_around(world) == before


def _files_around(world: Chaos) -> set[Path]:
    """Every file beside and below the roots, but those that change by themselves."""
    folder = Path(world.where.data_root).parent
    return {path for path in folder.rglob("*") if "chaos" not in path.parts}


async def _a_master_that_cannot_be_read_fails_at_once(world: Chaos) -> None:
    """Case D03: a wrong magic, a corrupt page and a cut end are no reason to try again, or to die."""
    before = {run.run_id for run in (await world.look()).runs}
    master = world.deployment.world.master
    whole = master.read_bytes()
    for number, broken in enumerate(
        (
            b"nonsense" + whole[8:],
            whole[: len(whole) // 2],
            whole[:400] + b"\xff" * 400 + whole[800:],
        ),
        start=len(before) + 1,
    ):
        master.write_bytes(broken)
        await world.ask(101)
        await world.ended(number)
    master.write_bytes(whole)
    await world.ask(101)
    rested = await world.at_rest()
    runs = [run for run in rested.runs if run.run_id not in before]
    assert [run.failure["reason"] for run in runs if run.failure] == ["unreadable_dataset"] * 3
    assert [run.state for run in runs].count("COMPLETED") == 1
