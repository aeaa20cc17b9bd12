"""A person steps back to an earlier generation: on fakes that have passed the contract suites."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.announcement import diverged, reloaded
from domain.convergence import Problem, Replica, ReplicaObservation, Served
from domain.errors import ModelUnusable, TryLater
from domain.ledger import Cause, LedgerEntry
from domain.models import RegisteredVersion
from domain.rollback import returned_to
from service.lifecycle.head_metrics import HeadLooks
from service.lifecycle.worker_parts import reconciler_in
from service.promotion.rollback import RollbackOrder, RolledBack
from service.rollout.convergence_status import wanted_by
from tests.fakes.outbox import FakeOutbox
from tests.kit.builders import MODEL, a_file
from tests.worlds.deciding import meanwhile, refused, rollback_on, three
from tests.worlds.stage import Stage

WHY = "predictions far too high"
AWAY = TryLater("mlflow_unavailable", "no answer", waiting_on="mlflow")
ONE, OTHER = Replica(url="http://one"), Replica(url="http://other")


def order(to: int | None = None, key: str = "key", reason: str = WHY) -> RollbackOrder:
    return RollbackOrder(to, reason, "ops (api)", key)


async def rolled_back(stage: Stage, to: int | None = None, **facts: Any) -> RolledBack:
    return await rollback_on(stage.world, **facts).roll_back(order(to))


async def told_of(stage: Stage, entry: LedgerEntry, replica: Replica, *, serves: bool) -> None:
    """What the listener says of a replica and a generation."""
    wanted, at = wanted_by(entry), entry.at + timedelta(seconds=1)
    said: dict[str, Any] = {"at": at, "listener": "l"}
    served = Served(version=entry.version, generation=entry.generation)
    if serves:
        event = reloaded(MODEL, replica, wanted, served, **said)
    else:
        problem = Problem(reason="unloadable_model", detail="its process died")
        event = diverged(MODEL, replica, wanted, ReplicaObservation(problem=problem), **said)
    await FakeOutbox(stage.memory, MODEL).add(event)


async def test_the_generation_before_is_champion_again_in_the_registry_the_defaults_and_the_announcement(
    stage: Stage,
) -> None:
    _, second, third = await three(stage)
    done = await rolled_back(stage)
    entry = done.entry
    assert (entry.cause, entry.version, returned_to(entry)) == (Cause.ROLLBACK, second.version, 2)
    assert (entry.triple, entry.mlflow_run_id, entry.model_digest) == (
        second.triple,
        second.mlflow_run_id,
        second.model_digest,
    )
    assert (entry.actor, entry.reasons[0], done.unshown) == ("ops (api)", WHY, "")
    assert done.plan is not None
    assert done.plan.left == (third,)
    assert stage.alias == second.version
    assert stage.topics()[-1] == "model.promoted"
    version = await stage.registry.version(MODEL, second.version)
    assert version is not None
    assert version.generation == 4


async def test_a_look_changes_nothing(stage: Stage) -> None:
    await three(stage)
    before = (list(stage.memory.ledger), len(stage.memory.outbox), stage.alias)
    plan = await rollback_on(stage.world).plan(None)
    assert (plan.target.generation, plan.unchecked) == (2, "")
    assert (list(stage.memory.ledger), len(stage.memory.outbox), stage.alias) == before


async def test_the_next_candidate_is_judged_against_the_model_that_came_back(stage: Stage) -> None:
    await three(stage)
    await rolled_back(stage, to=1)
    stage.files.parts = stage.files.parts.model_copy(update={"train": a_file("new rows", 81)})
    run = await stage.done(0.45)
    entries = await stage.ledger.entries(MODEL)
    assert [entry.cause for entry in entries[3:]] == [Cause.ROLLBACK, Cause.GATE]
    assert entries[-1].run_id == run.run_id


async def test_the_newest_generation_that_every_server_has_served_is_chosen(stage: Stage) -> None:
    """Generation 2 was never loaded by one server, which still is there."""
    first, second, third = await three(stage)
    for replica in (ONE, OTHER):
        await told_of(stage, first, replica, serves=True)
        await told_of(stage, third, replica, serves=True)
        await told_of(stage, second, replica, serves=replica == ONE)
    plan = await rollback_on(stage.world, has_servers=True).plan(None)
    assert plan.target == first
    assert [(one.entry, one.obstacle.reason) for one in plan.refused] == [(second, "not_served")]
    assert "http://other never served it: unloadable_model" in plan.refused[0].told
    named = await rollback_on(stage.world, has_servers=True).plan(2)
    assert named.target == second
    assert "http://other never served it" in named.doubt


async def test_a_server_that_is_gone_does_not_count_and_one_that_came_late_does_not_either(
    stage: Stage,
) -> None:
    _, second, third = await three(stage)
    await told_of(stage, second, ONE, serves=True)
    await told_of(stage, second, OTHER, serves=False)
    await told_of(stage, third, ONE, serves=True)
    await told_of(stage, third, Replica(url="http://new"), serves=True)
    assert (await rollback_on(stage.world, has_servers=True).plan(None)).target == second


async def test_where_no_server_ever_spoke_none_is_chosen_and_one_can_be_named(stage: Stage) -> None:
    await three(stage)
    job = rollback_on(stage.world, has_servers=True)
    told = await refused(job.plan(None))
    assert told.reason == "no_target"
    assert "no replica has ever said that it served it" in told.message
    assert (await job.plan(1)).target.generation == 1


SPOILT: dict[str, tuple[str, str]] = {
    "deleted": ("deleted", "does not hold its version"),
    "another run": ("another_run", "another run's model"),
    "foreign": ("foreign", "ALLOW_FOREIGN_CHAMPION"),
    "empty": ("unloadable", "has no files"),
    "other bytes": ("unloadable", "not those that were promoted"),
}


def spoil(stage: Stage, how: str, number: int) -> None:
    """Do this to a version of the registry."""
    versions = stage.registry.versions[MODEL]
    version = versions[number - 1]
    tags = dict(version.tags)
    if how == "deleted":
        del versions[number - 1]
        return
    if how == "empty":
        stage.registry.empty.add(version.source)
    if how == "foreign":
        tags, version = {}, version.model_copy(update={"source": "theirs"})
    if how == "other bytes":
        tags["laurel.model_digest"] = "f" * 64
    changed: dict[str, Any] = {"tags": tags}
    if how == "another run":
        changed["mlflow_run_id"] = "f" * 32
    versions[number - 1] = version.model_copy(update=changed)


@pytest.mark.parametrize("how", SPOILT)
async def test_what_cannot_be_returned_to_is_said_before_anything_changes(stage: Stage, how: str) -> None:
    await three(stage)
    spoil(stage, how, 2)
    before = list(stage.memory.ledger)
    reason, words = SPOILT[how]
    job = rollback_on(stage.world, check_files=stage.registry.look)
    told = await refused(job.roll_back(order(2)))
    assert told.reason == "cannot_return"
    assert words in told.message
    assert told.message.endswith("the newest that can is generation 1")
    assert stage.memory.ledger == before
    plan = await job.plan(None)
    assert (plan.target.generation, [one.obstacle.reason for one in plan.refused]) == (1, [reason])


async def test_files_that_cannot_be_fetched_whole_are_an_obstacle(stage: Stage) -> None:
    await three(stage)

    async def check(version: RegisteredVersion) -> None:
        if version.version == 2:
            raise ModelUnusable("model_files_differ", "model.skops differs")

    plan = await rollback_on(stage.world, check_files=check).plan(None)
    assert plan.target.generation == 1
    assert plan.refused[0].obstacle.detail == "model.skops differs"


async def test_a_foreign_generation_is_returned_to_where_such_champions_are_allowed(stage: Stage) -> None:
    await stage.by_hand("theirs")
    await reconciler_in(stage.world, stage.projector, 10.0).look()
    stage.trainer.champions[1] = 0.9
    await stage.done(0.5)
    assert (await refused(rollback_on(stage.world).plan(1))).reason == "cannot_return"
    assert (await rollback_on(stage.world, allow_foreign=True).plan(1)).target.cause is Cause.ADOPTED


async def test_it_is_done_while_mlflow_is_down_and_a_worker_shows_it_when_it_is_back(stage: Stage) -> None:
    await three(stage)
    stage.script.always |= dict.fromkeys(("alias_version", "registered", "set_alias", "tag_version"), AWAY)
    done = await rolled_back(stage)
    assert done.plan is not None
    assert (done.plan.unchecked, done.unshown) == (AWAY.message, AWAY.message)
    assert (done.entry.generation, stage.alias) == (4, 3)
    stage.script.always.clear()
    await reconciler_in(stage.world, stage.projector, 10.0).look()
    assert stage.alias == 2
    assert stage.topics()[-1] == "model.promoted"


async def test_a_rollback_wakes_the_worker_at_once(stage: Stage) -> None:
    """A command that dies behind its entry has done its work."""
    await three(stage)
    reconciler = reconciler_in(stage.world, stage.projector, 600.0)
    task = asyncio.ensure_future(reconciler.run_forever())
    await stage.clock.advance(1)

    async def nothing() -> str:
        return "it died"

    await replace(rollback_on(stage.world), show=nothing).roll_back(order())
    await stage.clock.advance(1)
    assert stage.alias == 2
    task.cancel()


async def test_a_step_back_from_a_rollback_has_to_name_its_target(stage: Stage) -> None:
    await three(stage)
    await rolled_back(stage)
    told = await refused(rollback_on(stage.world).roll_back(order(key="again")))
    assert (told.reason, len(stage.memory.ledger)) == ("rolled_back_already", 4)
    assert "by ops (api)" in told.message
    again = await rollback_on(stage.world).roll_back(order(1, key="further"))
    assert (again.entry.version, stage.alias) == (1, 1)


@pytest.mark.parametrize(("to", "reason"), [(9, "no_such_generation"), (3, "same_model")])
async def test_a_generation_that_is_none_or_is_champion_is_refused(
    stage: Stage, to: int, reason: str
) -> None:
    await three(stage)
    assert (await refused(rollback_on(stage.world).plan(to))).reason == reason


async def test_without_a_champion_there_is_nothing_to_roll_back(stage: Stage) -> None:
    assert (await refused(rollback_on(stage.world).plan(None))).reason == "no_champion"


async def test_a_command_that_is_repeated_under_its_key_makes_no_second_entry(stage: Stage) -> None:
    await three(stage)
    job = rollback_on(stage.world)
    first, again = await job.roll_back(order()), await job.roll_back(order())
    by_number = await job.roll_back(order(2))
    assert (again.entry, again.plan, by_number.entry) == (first.entry, None, first.entry)
    assert (await refused(job.roll_back(order(1)))).reason == "id_conflict"
    assert (await refused(job.roll_back(order(reason="another")))).reason == "id_conflict"


async def test_a_candidate_that_wins_meanwhile_is_rolled_away_from_as_well(stage: Stage) -> None:
    """Case P07: both are generations, and the later holds."""
    await three(stage)
    world = meanwhile(stage.world, lambda: stage.done(0.2))
    done = await rollback_on(world).roll_back(order())
    assert [entry.cause for entry in stage.memory.ledger[3:]] == [Cause.GATE, Cause.ROLLBACK]
    assert done.plan is not None
    assert (returned_to(done.entry), [one.generation for one in done.plan.left]) == (2, [3, 4])
    assert (stage.alias, stage.topics().count("model.promoted")) == (2, 5)


async def test_of_two_at_once_one_makes_the_entry_and_the_other_is_told(stage: Stage) -> None:
    await three(stage)
    other = rollback_on(stage.world)
    world = meanwhile(stage.world, lambda: other.roll_back(RollbackOrder(1, "mine", "eve (api)", "other")))
    told = await refused(rollback_on(world).roll_back(order()))
    assert told.reason == "overtaken"
    assert "generation 4 (rollback) came meanwhile, by eve (api): mine" in told.message
    assert [entry.cause for entry in stage.memory.ledger[3:]] == [Cause.ROLLBACK]


async def test_a_move_by_hand_that_nobody_saw_came_first_and_is_told(stage: Stage) -> None:
    await three(stage)
    await stage.by_hand("theirs")
    told = await refused(rolled_back(stage))
    assert told.reason == "overtaken"
    assert "the alias was pointed at version 4 by hand" in told.message
    assert [entry.cause for entry in stage.memory.ledger[3:]] == [Cause.OVERRIDE]


async def test_a_champion_whose_version_was_deleted_is_rolled_back_from(stage: Stage) -> None:
    await three(stage)
    del stage.registry.versions[MODEL][2]
    stage.registry.aliases.clear()
    done = await rolled_back(stage)
    assert (done.unshown, stage.alias) == ("", 2)


async def test_a_ledger_that_does_not_fit_takes_no_rollback(stage: Stage) -> None:
    await three(stage)
    stage.memory.broken[MODEL] = 2
    assert (await refused(rollback_on(stage.world).plan(None))).reason == "ledger_broken"
    stage.script.always |= dict.fromkeys(("alias_version", "registered"), AWAY)
    assert (await refused(rollback_on(stage.world).plan(None))).reason == "ledger_broken"


async def test_figures_tell_the_age_of_the_head_and_how_often_there_was_a_rollback(stage: Stage) -> None:
    looks = HeadLooks(stage.ledger, MODEL, stage.metrics, stage.clock)
    await looks.look()
    await three(stage)
    await rolled_back(stage)
    await stage.clock.advance(100)
    await looks.look()
    await looks.look()
    figures = stage.metrics.render().decode()
    assert "\nlaurel_rollbacks_total 1.0\n" in figures
    assert "\nlaurel_head_age_seconds 100.0\n" in figures
