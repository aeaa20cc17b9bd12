"""Behind the end: pictures when nobody waits, none lost, and old folders go only when nothing needs them."""

import asyncio
import os
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from domain.errors import NeverRetry, TryLater
from domain.ports.pruning import Pruned
from domain.run import Run
from service.lifecycle.background_jobs import RowRetention
from tests.harm.fake_time import settle
from tests.kit.builders import MODEL
from tests.kit.eventually import eventually
from tests.worlds.stage import Stage, fails

AWAY = TryLater("mlflow_unavailable", "no answer", waiting_on="mlflow")


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A stage whose runs have folders."""
    return Stage(folder=tmp_path)


async def undrawn(stage: Stage) -> int:
    return len(await stage.store.ended_without(MODEL, "pictures", 10))


async def catch_up(stage: Stage) -> None:
    """One look of the aftercare, to its end."""
    task = asyncio.ensure_future(stage.background_jobs.run_forever())
    await settle()
    for _ in range(200):
        await stage.clock.advance(0.01)
        await asyncio.sleep(0.002)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_every_run_with_a_record_is_drawn_once(stage: Stage) -> None:
    runs = [await stage.done(0.5), await stage.done(0.6)]
    await stage.done(split_version="x")
    await catch_up(stage)
    await catch_up(stage)
    assert stage.pictures.drawn == [run.run_id for run in runs]
    assert stage.pictures.opened_times == 1  # one child for both
    assert await undrawn(stage) == 0


async def test_pictures_wait_while_a_lifecycle_is_in_hand(stage: Stage) -> None:
    await stage.done(0.5)
    stage.background_jobs.run_began()
    task = asyncio.ensure_future(stage.background_jobs.run_forever())
    await settle()
    assert stage.pictures.drawn == []
    stage.background_jobs.run_left()
    await settle()
    stage.background_jobs.run_began()
    await stage.clock.advance(1)
    assert stage.pictures.drawn == []  # the next request followed at once
    stage.background_jobs.run_left()
    await stage.clock.advance(1)
    await eventually(lambda: len(stage.pictures.drawn) == 1)
    task.cancel()


@pytest.mark.parametrize(
    "error", [NeverRetry("gone", "its files are gone"), TryLater("step_died", "9"), KeyError("x")]
)
async def test_what_cannot_be_drawn_is_given_up_and_holds_up_nothing(error: Exception, stage: Stage) -> None:
    await stage.done(0.5)
    second = await stage.done(0.6)
    fails("draw", stage, error)
    await catch_up(stage)
    assert stage.pictures.drawn == [second.run_id]
    assert await undrawn(stage) == 0


async def test_pictures_that_mlflow_does_not_take_are_kept_for_later(stage: Stage) -> None:
    await stage.done(0.5)
    fails("draw", stage, AWAY)
    await catch_up(stage)
    assert await undrawn(stage) == 1
    await catch_up(stage)
    assert await undrawn(stage) == 0


async def with_folder(stage: Stage, *rmsle: float) -> tuple[Run, Path]:
    """A run that has ended, and a folder as it leaves one."""
    run = await stage.done(*rmsle)
    folder = stage.folder / "runs" / run.run_id
    (folder / "split").mkdir(parents=True)
    (folder / "split/train.parquet").write_bytes(b"rows")
    await stage.clock.advance(1)
    return run, folder


async def test_the_newest_run_folders_are_kept(stage: Stage) -> None:
    made = [await with_folder(stage, 0.5) for _ in range(4)]
    for run, _ in made:
        await stage.store.job_done(run.run_id, "pictures")
    for _ in range(2):
        await stage.retention(2).look()
    assert [folder.exists() for _, folder in made] == [False, False, True, True]


async def test_the_parts_of_older_runs_go_before_their_folders(stage: Stage) -> None:
    """All but the newest; a run that was not versioned keeps its own: nobody else has them."""
    made = [await with_folder(stage, 0.5) for _ in range(3)]
    for run, folder in made:
        (folder / "master.parquet").write_bytes(b"rows")
        await stage.store.job_done(run.run_id, "pictures")
    for _ in range(2):
        await stage.retention(20, keep_parts=1).look()
    left = [sorted(path.name for path in folder.iterdir()) for _, folder in made]
    assert left == [[], [], ["master.parquet", "split"]]


async def test_a_folder_whose_pictures_are_still_to_be_drawn_stays(stage: Stage) -> None:
    made = [await with_folder(stage, 0.5) for _ in range(3)]
    await stage.store.job_done(made[1][0].run_id, "pictures")
    await stage.retention(1).look()
    assert [folder.exists() for _, folder in made] == [True, False, True]


async def test_a_run_in_hand_and_a_folder_of_nobody_stay(stage: Stage) -> None:
    ended, own = await with_folder(stage, 0.5)
    await stage.store.job_done(ended.run_id, "pictures")
    folders = [stage.folder / "runs" / name for name in (await stage.ask(), "not-a-run")]
    for folder in folders:
        folder.mkdir(parents=True)
    await stage.retention(1).look()
    assert all(folder.exists() for folder in [*folders, own])


async def test_what_a_crash_left_half_written_goes_and_what_is_being_written_stays(stage: Stage) -> None:
    old, young = (stage.folder / name for name in (".master.parquet.1.laurel-tmp", ".v1.yaml.2.laurel-tmp"))
    now = time.time()  # the clock that files have their times from
    for path, age in ((old, 3601), (young, 3000)):
        path.write_bytes(b"half")
        os.utime(path, (now - age, now - age))
    await stage.retention(20).look()
    assert (old.exists(), young.exists()) == (False, True)


async def test_nothing_on_disk_is_nothing_to_do(stage: Stage) -> None:
    await stage.retention(1).look()


class CountedPruning:
    """Says how often it was asked, and by which ages."""

    def __init__(self) -> None:
        self.asked: list[timedelta] = []

    async def events(self, older_than: timedelta, *, dry_run: bool = False) -> Pruned:
        assert not dry_run
        self.asked.append(older_than)
        return Pruned()

    outputs = events


async def test_idle_workers_prune_old_rows_once_an_hour_where_a_setting_says_so(stage: Stage) -> None:
    pruning, ages = CountedPruning(), [timedelta(days=90), timedelta(days=365)]
    retention = replace(stage.retention(1), rows=RowRetention(pruning, stage.clock, ages[0], ages[1]))
    for minutes in (0, 1, 58):
        await stage.clock.advance(60.0 * minutes)
        await retention.look()
    assert pruning.asked == ages
    await stage.clock.advance(60.0)
    await retention.look()
    assert pruning.asked == ages * 2
