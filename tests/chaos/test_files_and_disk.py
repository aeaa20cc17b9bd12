"""The disk fails, fills up, or holds another reference than before: files stay whole, and runs say why.

Its cost: two worlds of workers, with lifecycles that are struck, wait and begin again. `make soak` fills the
disk in each step that writes.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from random import Random

import pytest

from domain.points import Point
from tests.chaos.disk import OPERATIONS
from tests.chaos.fleet import now
from tests.chaos.report import ROUNDS
from tests.chaos.world import BETTER_AND_BETTER, Chaos
from tests.kit.eventually import eventually
from tests.oracle.facts import Edit

STRIKES = 3  # one of each kind


@pytest.mark.parametrize(
    ("lifecycles", "strikes"), [(4, STRIKES), pytest.param(8, 6 * ROUNDS, marks=pytest.mark.soak)]
)
async def test_many_at_once_and_a_disk_that_fails_tear_no_file(
    lifecycles: int, strikes: int, world: Chaos, random: Random
) -> None:
    await world.fleet.running("a", "b", WORKER__CONCURRENT_LIFECYCLES=str(lifecycles // 2))
    await _many_lifecycles_version_one_reference_at_once(world, lifecycles)
    await _disk_errors_and_kills_at_any_operation_tear_no_file(world, random, strikes)
    await world.at_rest()


async def _many_lifecycles_version_one_reference_at_once(world: Chaos, lifecycles: int) -> None:
    """Case V01: on two workers; no lock is shared, and equal bytes have equal hashes."""
    for version in range(101, 101 + lifecycles):
        await world.ask(version)
    seen = await world.ended(lifecycles)
    hashes = {
        (run.outputs["version"]["dvc_reference_hash"], run.outputs["version"]["dvc_split_hash"])
        for run in seen.runs
    }
    assert len(seen.runs) == lifecycles
    assert len(hashes) == 1
    assert all(run.state in {"COMPLETED", "DECLINED"} for run in seen.runs)


async def _disk_errors_and_kills_at_any_operation_tear_no_file(
    world: Chaos, random: Random, strikes: int
) -> None:
    """Case F01: EIO, ENOSPC and SIGKILL at the n-th write, fsync, rename or link, wherever it happens."""
    models = cycle(BETTER_AND_BETTER[10:])
    async with world.fleet.kept_alive():
        for number in range(strikes):
            action = ("kill", "EIO", "ENOSPC")[number % 3]
            operation = random.choice([name for name in OPERATIONS if name not in {"link", "unlink"}])
            world.declare(f"{number}: {action} at {operation}")
            world.orders.strike_the_disk(operation, skip=random.randint(0, 5), action=action)
            deadline = now() + 60
            while world.orders.struck() <= number:
                assert now() < deadline
                await world.ask(next(models))
                await world.ended(len(world.witness.sent))
            world.fired(f"{number}: {action} at {operation}")


@pytest.mark.parametrize(
    "steps",
    [("split", "persist"), pytest.param(("split", "version", "train", "persist"), marks=pytest.mark.soak)],
)
async def test_a_full_disk_is_waited_for_and_a_changed_reference_is_not(
    steps: Sequence[str], world: Chaos
) -> None:
    await world.fleet.running("a")
    await _a_full_disk_is_waited_for(world, steps)
    await _a_changed_reference_fails_the_run(world)


async def _a_full_disk_is_waited_for(world: Chaos, steps: Sequence[str]) -> None:
    """Case F02: no space in a step; the run says so, names the path, and goes on when space returns."""
    for number, step in enumerate(steps):
        point = Point(f"{step}.before_effect")
        world.declare(f"full in {step}")
        world.orders.hold_at(point)
        await world.ask(101 + 5 * number)
        await world.orders.held(point)
        before = world.orders.refused_writes()
        world.orders.fill_the_disk()
        world.orders.go(point)
        await eventually(lambda: world.waiting() == {"disk"})
        ((text,),) = world.rows("SELECT failure FROM laurel.runs WHERE NOT ended")
        failure = json.loads(text)
        assert failure["reason"] == "disk_full"
        assert failure["facts"]["path"].startswith((world.where.data_root, world.where.config_root))
        world.orders.free_the_disk()
        assert world.orders.refused_writes() > before
        world.fired(f"full in {step}")
        seen = await world.ended(number + 1)
    assert {run.state for run in seen.runs} == {"COMPLETED"}


def _one_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _replaced(path: Path) -> None:
    path.write_bytes((path.parents[3] / "processed" / "master.parquet").read_bytes())


def _symlinked(path: Path) -> None:
    target = path.with_suffix(".other")
    shutil.copy(path, target)
    _one_byte(target)
    path.unlink()
    path.symlink_to(target)


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


TAMPERINGS: tuple[Callable[[Path], None], ...] = (_one_byte, _replaced, _symlinked, _truncated)
_ALSO_DURING = (_one_byte, _symlinked)  # a run: from before it scores on


@contextmanager
def _kept(path: Path) -> Iterator[None]:
    """Put a file back as it was."""
    data = path.read_bytes()
    yield
    path.unlink(missing_ok=True)
    path.with_suffix(".other").unlink(missing_ok=True)
    path.write_bytes(data)


async def _a_changed_reference_fails_the_run(world: Chaos) -> None:
    """Case F03: changed before the run, or before it scores; each such run fails, and the next one passes."""
    generations = len((await world.look()).ledger)
    reference = Path(world.where.data_root) / "reference/tests/v1/test_reference.parquet"
    world.witness.did.edits.append(Edit(str(reference)))
    for tamper in TAMPERINGS:
        for during in (False, True) if tamper in _ALSO_DURING else (False,):
            world.declare(f"{tamper.__name__}, {during=}")
            with _kept(reference):
                if during:
                    world.orders.hold_at(Point.EVALUATE_BEFORE_EFFECT)
                else:
                    tamper(reference)
                await world.ask(121)
                if during:
                    await world.orders.held(Point.EVALUATE_BEFORE_EFFECT)
                    tamper(reference)
                    world.orders.go(Point.EVALUATE_BEFORE_EFFECT)
                await world.ended(len(world.witness.sent))
            world.fired(f"{tamper.__name__}, {during=}")
    await world.ask(121)
    rested = await world.at_rest()
    reasons = [(run.failure or {}).get("reason") for run in rested.runs if run.state == "FAILED"]
    assert reasons == ["reference_digest_mismatch"] * (len(TAMPERINGS) + len(_ALSO_DURING))
    assert len(rested.ledger) == generations + 1
