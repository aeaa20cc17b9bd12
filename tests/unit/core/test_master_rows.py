"""The master is counted again and again, and whatever goes wrong with that stops nothing."""

import pytest

from domain.errors import LaurelError, NeverRetry, TryLater
from domain.lifecycle import State
from service.lifecycle.steps.split import MasterLooks
from tests.worlds.stage import Stage, fails

AWAY = TryLater("postgres_unavailable", "no answer", waiting_on="postgres")


def looks(stage: Stage) -> MasterLooks:
    return MasterLooks(stage.world.master_rows, stage.files, stage.world.clock, 10.0)


async def test_a_run_records_the_rows_of_the_master_that_it_split(stage: Stage) -> None:
    await stage.done(0.5)
    assert stage.master_rows.rows == stage.files.parts.master.rows


async def test_a_run_goes_on_though_its_count_was_not_kept(stage: Stage) -> None:
    fails("record", stage, AWAY)
    run = await stage.done(0.5)
    assert (run.state, stage.master_rows.rows) == (State.COMPLETED, None)


@pytest.mark.parametrize(
    "error", [NeverRetry("unreadable_dataset", "half written"), TryLater("step_died", "killed")]
)
async def test_a_master_that_cannot_be_read_leaves_the_last_count(stage: Stage, error: LaurelError) -> None:
    await looks(stage).look()
    counted = stage.master_rows.rows
    fails("count_rows", stage, error)
    await looks(stage).look()
    assert (stage.master_rows.rows, counted) == (counted, stage.files.parts.master.rows)


async def test_a_look_that_cannot_be_kept_is_followed_by_another(stage: Stage) -> None:
    looking = looks(stage)
    fails("record", stage, AWAY)
    await looking.look()
    assert stage.master_rows.rows is None
    await looking.look()
    assert stage.master_rows.rows is not None
