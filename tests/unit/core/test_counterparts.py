"""Nothing is appended that does not fit registry and topic, and a person goes on with one entry."""

import re
from collections.abc import MutableMapping
from typing import Any

import pytest

from domain.counterparts import Announced
from domain.errors import NeverRetry, Stop
from domain.ledger import Cause, LedgerEntry
from domain.lifecycle import State
from domain.promotion_checks import Decision
from service.lifecycle.workbench import recovery_in
from service.promotion.counterparts import CounterpartLooks
from tests.kit.builders import MODEL
from tests.worlds.stage import Stage, fails

Logs = list[MutableMapping[str, Any]]
REASONS = ("head_missing", "ledger_behind", "ledger_broken", "another_ledger")


@pytest.fixture
async def promoted(stage: Stage) -> Stage:
    """Three generations, announced as the topic shows it."""
    for rmsle in (0.5, 0.4, 0.3):
        assert (await stage.done(rmsle, name=str(rmsle))).state is State.COMPLETED
    ledger_id = stage.memory.ledger_id
    stage.announcements.told = [
        Announced(generation=one.generation, version=one.version, entry_hash=one.hash, ledger_id=ledger_id)
        for one in stage.memory.ledger
    ]
    return stage


def restart(stage: Stage) -> None:
    """Begin again with new processes, which remember nothing."""
    stage.world = stage.worker_world("worker-2")


def restore_store(stage: Stage, generations: int) -> None:
    """Bring the run store back as it was after so many generations."""
    del stage.memory.ledger[generations:]
    stage.memory.outbox[:] = [row for row in stage.memory.outbox if (row.generation or 0) <= generations]
    restart(stage)


def restore_registry(stage: Stage, versions: int) -> None:
    """Bring MLflow back as it was after so many versions."""
    del stage.registry.versions[MODEL][versions:]
    stage.registry.aliases[MODEL] = versions


def alarms(stage: Stage) -> dict[str, float]:
    """The gauge, by reason."""
    found = re.findall(
        r'^laurel_promotions_stopped\{reason="(\w+)"\} (\S+)$', stage.metrics.render().decode(), re.MULTILINE
    )
    return {reason: float(value) for reason, value in found}


async def refused(stage: Stage, reason: str, logs: Logs) -> None:
    """Train the best candidate so far: it ends, nothing is registered or appended, and the alarm is told."""
    entries, versions = list(stage.memory.ledger), len(stage.registry.versions[MODEL])
    alias = stage.alias
    run = await stage.done(0.1, name=f"after {reason}")
    if reason == "ledger_broken":
        assert run.failure is not None
        assert (run.state, run.failure.reason) == (State.FAILED, reason)
    else:
        assert run.state is State.DECLINED
        assert run.outputs["decide"]["verdict"]["decision"] == Decision.INCONCLUSIVE
        assert "laurel ledger accept" in run.outputs["decide"]["verdict"]["reasons"][0]
    assert (stage.memory.ledger, len(stage.registry.versions[MODEL])) == (entries, versions)
    assert stage.alias == alias
    assert {one["reason"] for one in logs if one["event"] == "promotions_stopped"} == {reason}
    assert alarms(stage) == {one: float(one == reason) for one in REASONS}


async def accept(stage: Stage) -> LedgerEntry:
    """A person goes on."""
    done = await recovery_in(stage.world, stage.announcements).accept("a backup was restored")
    assert done.entry is not None
    assert not done.unshown
    assert done.entry.cause is Cause.RECOVERY
    return done.entry


async def goes_on(stage: Stage, generation: int) -> None:
    """The next promotion takes the next number."""
    restart(stage)
    await stage.world.checks.begin()
    assert (await stage.done(0.01, name="on")).state is State.COMPLETED
    assert stage.memory.ledger[-1].generation == generation


async def test_a_restored_run_store_promotes_nothing_before_a_person_says_so(
    promoted: Stage, logs: Logs
) -> None:
    restore_store(promoted, 1)
    await refused(promoted, "ledger_behind", logs)
    entry = await accept(promoted)
    assert (entry.generation, entry.previous_generation, entry.version) == (4, 1, 3)
    assert "generation 2 (version 2), generation 3 (version 3)" in entry.reasons[1]
    assert promoted.alias == 3
    await goes_on(promoted, 5)


async def test_a_restored_registry_promotes_nothing_and_no_number_of_a_version_is_used_again(
    promoted: Stage, logs: Logs
) -> None:
    restore_registry(promoted, 2)
    restart(promoted)
    await refused(promoted, "head_missing", logs)
    with pytest.raises(NeverRetry, match="does not hold it"):
        await promoted.projector.follow()
    entry = await accept(promoted)
    assert (entry.generation, entry.version, promoted.alias) == (4, 2, 2)
    assert "version 3 of the registry" in entry.reasons[1]


async def test_both_restored_to_one_moment_are_older_than_what_was_announced(
    promoted: Stage, logs: Logs
) -> None:
    restore_registry(promoted, 1)
    restore_store(promoted, 1)
    await refused(promoted, "ledger_behind", logs)
    assert (await accept(promoted)).generation == 4
    await goes_on(promoted, 5)


async def test_a_forgotten_promotion_keeps_the_alias_where_production_is(promoted: Stage) -> None:
    """The restored head was not announced yet, so the alias looks like its own way to it."""
    restore_store(promoted, 2)
    promoted.memory.outbox[:] = [row for row in promoted.memory.outbox if row.generation != 2]
    promoted.registry.aliases[MODEL] = 1
    with pytest.raises(NeverRetry) as refusal:
        await promoted.world.projector().follow()
    assert (refusal.value.reason, promoted.alias) == ("ledger_behind", 1)


async def test_a_history_that_was_announced_otherwise_is_broken(promoted: Stage, logs: Logs) -> None:
    last = promoted.announcements.told[-1]
    promoted.announcements.told[-1] = last.model_copy(update={"entry_hash": "f" * 64})
    restart(promoted)
    await refused(promoted, "ledger_broken", logs)
    assert (await accept(promoted)).generation == 4


async def test_what_an_audit_of_the_whole_ledger_has_found_stops_promotions_until_it_is_sound(
    promoted: Stage,
) -> None:
    """An append audits the newest generations alone."""
    checks, head = promoted.world.checks, promoted.memory.ledger[-1]
    promoted.memory.broken_long_ago[MODEL] = 1
    assert (await checks.verify(head)).fits
    await CounterpartLooks(checks, promoted.clock).look()
    with pytest.raises(NeverRetry) as refused:
        await checks.require_fit(head)
    assert (refused.value.reason, alarms(promoted)["ledger_broken"]) == ("ledger_broken", 1)
    promoted.memory.broken_long_ago.clear()
    await checks.require_fit(head)
    assert alarms(promoted)["ledger_broken"] == 0


async def test_a_process_remembers_the_head_that_it_saw(promoted: Stage, logs: Logs) -> None:
    """The topic is gone, and the store is restored while the worker runs."""
    promoted.announcements.told = []
    looks = CounterpartLooks(promoted.world.checks, promoted.clock)
    await looks.look()
    assert alarms(promoted) == dict.fromkeys(REASONS, 0.0)
    del promoted.memory.ledger[1:]
    await looks.look()
    assert [one["reason"] for one in logs if one["event"] == "promotions_stopped"] == ["ledger_behind"]


async def test_a_second_deployment_ends_at_its_start_and_the_first_goes_on(promoted: Stage) -> None:
    second = Stage()
    second.registry, second.announcements = promoted.registry, promoted.announcements
    second.world = second.worker_world("second")
    with pytest.raises(Stop, match="another deployment manages this model") as refusal:
        await second.world.checks.begin()
    assert refusal.value.reason == "another_ledger"
    assert second.memory.ledger == []
    await goes_on(promoted, 4)


async def test_a_person_takes_a_model_over_whose_database_is_lost(promoted: Stage, logs: Logs) -> None:
    second = Stage()
    second.registry, second.announcements = promoted.registry, promoted.announcements
    second.world = second.worker_world("second")
    entry = await accept(second)
    assert (entry.generation, entry.previous_generation, entry.version) == (4, None, 3)
    await second.world.checks.begin()
    await refused(promoted, "another_ledger", logs)


async def test_a_model_that_nobody_has_marked_is_marked_at_the_first_look(promoted: Stage) -> None:
    promoted.registry.ledger_ids.clear()
    await promoted.world.checks.begin()
    assert promoted.registry.ledger_ids == {MODEL: promoted.memory.ledger_id}


async def test_of_two_who_mark_a_model_at_once_one_is_refused(
    promoted: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def mark(model_name: str, _ledger_id: str) -> None:
        promoted.registry.ledger_ids[model_name] = "the other's, a moment later"

    promoted.registry.ledger_ids.clear()
    monkeypatch.setattr(promoted.registry, "mark", mark)
    with pytest.raises(Stop) as refusal:
        await promoted.world.checks.begin()
    assert refusal.value.reason == "another_ledger"


async def test_a_registry_that_refuses_is_told_and_stops_no_worker(promoted: Stage, logs: Logs) -> None:
    fails("registered", promoted, NeverRetry("mlflow_refused", "403"))
    await promoted.world.checks.begin()
    assert logs[-1]["event"] == "counterparts_not_read"


async def test_where_everything_fits_there_is_nothing_to_accept(promoted: Stage) -> None:
    before = list(promoted.memory.ledger)
    done = await recovery_in(promoted.world, promoted.announcements).accept("just so")
    assert (done.entry, promoted.memory.ledger) == (None, before)


async def test_a_recovery_is_accepted_once(promoted: Stage) -> None:
    restore_store(promoted, 1)
    await accept(promoted)
    done = await recovery_in(promoted.world, promoted.announcements).accept("again")
    assert (done.entry, len(promoted.memory.ledger)) == (None, 2)
