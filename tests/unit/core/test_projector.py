"""Alias, defaults and announcements follow the ledger; what a person does becomes a generation."""

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest

from domain.errors import ModelUnusable, NeverRetry, TryLater
from domain.ledger import Cause, LedgerEntry
from domain.points import Point
from domain.run_record import Trained
from domain.values import VersionTriple
from tests.fakes.model_registry import FakeModelRegistry
from tests.harm.fake_time import settle
from tests.harm.holding import HoldAt
from tests.kit.builders import MODEL, TRIPLE, an_entry
from tests.worlds.stage import Stage, fails

OTHER = VersionTriple(split_version=1, feature_version=2, model_version=3)
AWAY = TryLater("mlflow_unavailable", "no answer", waiting_on="mlflow")


async def promoted(stage: Stage, version: int, triple: VersionTriple = TRIPLE) -> LedgerEntry:
    """Append a gate's generation for a version that is registered."""
    head = await stage.ledger.head(MODEL)
    entry = an_entry(head, version, cause=Cause.GATE, triple=triple, run_id=f"run-{version}")
    await stage.ledger.append(entry)
    return entry


@pytest.fixture
async def registered(stage: Stage) -> Stage:
    """A stage with versions 1 to 4, and no alias."""
    for number in range(1, 5):
        await stage.by_hand(f"{number}")
    stage.registry.aliases.clear()
    return stage


async def shown(stage: Stage) -> LedgerEntry:
    """Follow and announce, as every projector does."""
    head = await stage.projector.follow()
    assert head is not None
    await stage.projector.announce_up_to(head)
    return head


def generation_tag(stage: Stage, version: int) -> str | None:
    """What a server reads beside a version."""
    tag: str | None = stage.registry.versions[MODEL][version - 1].tags.get("laurel.generation")
    return tag


def promotions(stage: Stage) -> list[int | None]:
    """The generations that were announced, in order."""
    return [row.generation for row in stage.memory.outbox]


async def test_an_empty_ledger_and_no_alias_is_nothing_to_do(stage: Stage) -> None:
    assert await stage.projector.follow() is None
    assert stage.memory.outbox == []


async def test_alias_and_defaults_show_the_head_and_it_is_announced_once(registered: Stage) -> None:
    entry = await promoted(registered, 2, OTHER)
    for _ in range(3):
        assert await shown(registered) == entry
    assert (registered.alias, registered.config.active) == (2, OTHER)
    assert promotions(registered) == [1]
    assert registered.script.calls["set_alias"] == 1


async def test_a_promotion_is_shown_by_one_look_before_the_write_and_one_after_it(registered: Stage) -> None:
    await promoted(registered, 1)
    await shown(registered)
    looks = registered.script.calls["alias_version"]
    await promoted(registered, 2)
    assert (await shown(registered)).version == 2
    assert registered.script.calls["alias_version"] == looks + 2


async def test_an_alias_that_a_person_moves_directly_before_the_write_is_recorded_first() -> None:
    """R4: a write of what the ledger says is not sent over a person's move."""
    hold = HoldAt(Point.PROJECT_BEFORE_LOOK)
    stage = Stage(points=hold)
    for number in range(1, 4):
        await stage.by_hand(f"{number}")
    stage.registry.aliases.clear()
    await promoted(stage, 1)
    following = asyncio.ensure_future(stage.projector.follow())
    await hold.reached.wait()
    await FakeModelRegistry.set_alias(stage.registry, MODEL, 3)
    hold.go.set()
    head = await following
    assert head is not None
    assert (head.version, head.cause, stage.alias) == (3, Cause.OVERRIDE, 3)
    assert stage.script.calls["set_alias"] == 0


async def test_a_write_that_was_not_sent_leaves_no_record_open(registered: Stage) -> None:
    """An open record would excuse the next person who chooses that version."""
    await promoted(registered, 1)
    await shown(registered)
    await promoted(registered, 2)
    registered.registry.empty.add("models:/m-4")
    await FakeModelRegistry.set_alias(registered.registry, MODEL, 4)
    with pytest.raises(ModelUnusable):
        await shown(registered)
    assert registered.memory.alias_writes == {}


async def test_generations_are_announced_in_order_even_when_one_was_passed(registered: Stage) -> None:
    await promoted(registered, 1)
    await promoted(registered, 2)
    await promoted(registered, 3, OTHER)
    await shown(registered)
    assert promotions(registered) == [1, 2, 3]
    assert registered.alias == 3


async def test_nothing_beyond_what_is_shown_is_announced(registered: Stage) -> None:
    first = await promoted(registered, 1)
    await promoted(registered, 2)
    await registered.projector.announce_up_to(first)
    assert promotions(registered) == [1]


async def test_a_head_that_moves_meanwhile_is_followed_before_anything_is_said() -> None:
    hold = HoldAt(Point.PROJECT_BEFORE_REREAD)
    stage = Stage(points=hold)
    for number in range(1, 3):
        await stage.by_hand(f"{number}")
    stage.registry.aliases.clear()
    await promoted(stage, 1)
    following = asyncio.ensure_future(stage.projector.follow())
    await hold.reached.wait()
    second = await promoted(stage, 2, OTHER)
    hold.go.set()
    assert await following == second
    assert (stage.alias, stage.config.active) == (2, OTHER)


async def test_a_stale_write_is_mended_and_is_no_override() -> None:
    """P03: a projector sleeps before its write, another promotes and shows; the late write is our own."""
    hold = HoldAt(Point.PROJECT_BEFORE_ALIAS)
    stage = Stage(points=hold)
    for number in range(1, 3):
        await stage.by_hand(f"{number}")
    stage.registry.aliases.clear()
    await promoted(stage, 1)
    sleeping = asyncio.ensure_future(stage.projector.follow())
    await hold.reached.wait()
    await promoted(stage, 2)
    await shown(stage)
    assert stage.alias == 2
    hold.go.set()
    await sleeping
    head = await shown(stage)
    assert (stage.alias, head.generation) == (2, 2)
    assert stage.memory.alias_writes == {}


async def test_a_late_write_of_a_killed_projector_is_drift_as_long_as_its_record_is_open(
    registered: Stage,
) -> None:
    await promoted(registered, 1)
    await promoted(registered, 2)
    await shown(registered)
    await registered.alias_writes.open(MODEL, 1, "killed")
    await FakeModelRegistry.set_alias(registered.registry, MODEL, 1)
    head = await shown(registered)
    assert (registered.alias, head.generation) == (2, 2)


async def test_an_alias_that_a_person_moved_becomes_a_generation_and_the_person_wins(
    registered: Stage,
) -> None:
    await promoted(registered, 1)
    await promoted(registered, 2, OTHER)
    await shown(registered)
    await FakeModelRegistry.set_alias(registered.registry, MODEL, 1)
    head = await shown(registered)
    assert (head.cause, head.version, head.generation) == (Cause.OVERRIDE, 1, 3)
    assert head.triple == TRIPLE
    assert (registered.alias, registered.config.active) == (1, TRIPLE)
    assert promotions(registered) == [1, 2, 3]
    assert generation_tag(registered, 1) == "3"


async def test_a_persons_choice_is_not_announced_before_servers_can_read_its_generation(
    registered: Stage,
) -> None:
    await promoted(registered, 1)
    await shown(registered)
    await FakeModelRegistry.set_alias(registered.registry, MODEL, 4)
    fails("tag_version", registered, AWAY)
    with pytest.raises(TryLater):
        await shown(registered)
    assert promotions(registered) == [1]
    await shown(registered)
    assert (promotions(registered), generation_tag(registered, 4)) == ([1, 2], "2")


async def test_a_version_that_laurel_did_not_make_leaves_the_defaults_alone(registered: Stage) -> None:
    await promoted(registered, 1)
    await shown(registered)
    await FakeModelRegistry.set_alias(registered.registry, MODEL, 4)
    head = await shown(registered)
    assert (head.version, head.triple) == (4, None)
    assert registered.config.active == TRIPLE


async def recorded_run(stage: Stage, *names: str) -> str:
    """A run of the record with these params, each a version."""
    run = await stage.tracker.open_run("laurel's", "price", {})
    await stage.tracker.log(run.mlflow_run_id, params=dict.fromkeys(names, 2))
    return str(run.mlflow_run_id)


async def chosen(stage: Stage, run_id: str) -> LedgerEntry:
    """A person registers a run's model, and points the alias at it."""
    model = await stage.tracker.create_model((await stage.tracker.recorded(run_id)).opened, {}, {})
    made = await FakeModelRegistry.register(stage.registry, MODEL, model, run_id, {})
    await FakeModelRegistry.set_alias(stage.registry, MODEL, made.version)
    return await shown(stage)


@pytest.mark.parametrize("first", [True, False], ids=["adopted", "override"])
async def test_a_persons_choice_brings_its_runs_triple_along(first: bool, registered: Stage) -> None:  # noqa: FBT001
    if not first:
        await promoted(registered, 1)
        await shown(registered)
    run_id = await recorded_run(registered, *VersionTriple.model_fields)
    head = await chosen(registered, run_id)
    twos = VersionTriple(split_version=2, feature_version=2, model_version=2)
    assert head.cause is (Cause.ADOPTED if first else Cause.OVERRIDE)
    assert (head.triple, head.mlflow_run_id, head.run_id) == (twos, run_id, None)
    assert registered.config.active == twos


async def test_a_run_without_all_three_versions_brings_none(registered: Stage) -> None:
    head = await chosen(registered, await recorded_run(registered, "split_version", "feature_version"))
    assert (head.triple, head.mlflow_run_id, registered.config.active) == (None, None, TRIPLE)


async def test_a_triple_without_files_leaves_the_defaults_alone(registered: Stage) -> None:
    twos = VersionTriple(split_version=2, feature_version=2, model_version=2)
    registered.config.unknown.add(twos)
    head = await chosen(registered, await recorded_run(registered, *VersionTriple.model_fields))
    assert (head.triple, registered.config.active) == (twos, TRIPLE)


@pytest.mark.parametrize("first", [True, False], ids=["adopted", "override"])
async def test_a_version_without_files_becomes_no_generation(first: bool, registered: Stage) -> None:  # noqa: FBT001
    if not first:
        await promoted(registered, 1)
        await shown(registered)
    registered.registry.empty.add("models:/m-4")
    await FakeModelRegistry.set_alias(registered.registry, MODEL, 4)
    before = len(await registered.ledger.entries(MODEL))
    with pytest.raises(ModelUnusable, match="point the alias at a complete version") as refusal:
        await shown(registered)
    assert refusal.value.reason == "alias_unusable"
    assert (len(await registered.ledger.entries(MODEL)), registered.alias) == (before, 4)


async def test_a_version_of_ours_that_a_person_registered_is_tagged_for_servers(stage: Stage) -> None:
    run = await stage.done(0.5)
    stage.registry.versions[MODEL].clear()
    stage.registry.aliases.clear()
    stage.memory.ledger.clear()
    stage.memory.outbox.clear()
    made = await FakeModelRegistry.register(
        stage.registry,
        MODEL,
        Trained.model_validate(run.outputs["train"]).model,
        run.mlflow_run_id or "",
        {},
    )
    await FakeModelRegistry.set_alias(stage.registry, MODEL, made.version)
    await shown(stage)
    package = run.outputs["train"]["package"]
    tags = stage.registry.versions[MODEL][0].tags
    assert (tags["laurel.model_digest"], tags["laurel.generation"]) == (package["digest"], "1")
    assert (tags["laurel.run_id"], json.loads(tags["laurel.manifest"])) == (run.run_id, package["manifest"])


async def test_a_person_during_a_promotion_wins_over_it(registered: Stage) -> None:
    await promoted(registered, 1)
    await shown(registered)
    await promoted(registered, 2)
    await FakeModelRegistry.set_alias(registered.registry, MODEL, 3)
    head = await shown(registered)
    assert (head.version, head.cause) == (3, Cause.OVERRIDE)
    assert promotions(registered) == [1, 2, 3]


async def test_a_registry_that_exists_already_is_adopted(stage: Stage) -> None:
    await stage.by_hand("theirs")
    head = await shown(stage)
    assert (head.cause, head.generation, head.version) == (Cause.ADOPTED, 1, 1)
    assert generation_tag(stage, 1) == "1"
    assert promotions(stage) == [1]


async def test_two_that_adopt_at_once_make_one_generation(stage: Stage) -> None:
    await stage.by_hand("theirs")
    other = stage.worker_world("worker-2").projector()
    await asyncio.gather(stage.projector.follow(), other.follow())
    assert len(await stage.ledger.entries(MODEL)) == 1


async def test_a_deleted_alias_comes_back_and_is_never_no_champion(
    registered: Stage, logs: list[MutableMapping[str, Any]]
) -> None:
    await promoted(registered, 2)
    await shown(registered)
    registered.registry.aliases.clear()
    head, alias = await registered.world.watch.settled_head()
    assert head is not None
    assert (head.version, alias) == (2, None)
    await shown(registered)
    assert registered.alias == 2
    assert "alias_missing" in [entry["event"] for entry in logs]


async def test_a_head_that_the_registry_does_not_hold_is_waited_for_with_an_alarm(registered: Stage) -> None:
    """M04: `head_missing` names the version; when it is there again, everything goes on."""
    await promoted(registered, 2)
    kept, registered.registry.versions[MODEL] = registered.registry.versions[MODEL], []
    with pytest.raises(TryLater) as caught:
        await registered.projector.follow()
    assert caught.value.reason == "head_missing"
    assert (caught.value.waiting_on, caught.value.facts["version"]) == ("registry", 2)
    registered.registry.versions[MODEL] = kept
    assert (await shown(registered)).version == 2


async def test_nothing_is_announced_before_both_show_it(registered: Stage) -> None:
    await promoted(registered, 2, OTHER)
    fails("write_defaults", registered, AWAY)
    with pytest.raises(TryLater):
        await shown(registered)
    assert promotions(registered) == []
    await shown(registered)
    assert promotions(registered) == [1]


async def test_an_unreadable_alias_is_an_error_and_never_no_champion(registered: Stage) -> None:
    await promoted(registered, 2)
    fails("alias_version", registered, NeverRetry("mlflow_refused", "403"))
    with pytest.raises(NeverRetry):
        await registered.world.watch.settled_head()


async def test_nothing_is_a_persons_while_a_write_of_ours_goes_on(registered: Stage) -> None:
    """The alias shows a stale version twice, by two late writes: between the looks one ends, one begins."""
    await promoted(registered, 1)
    await promoted(registered, 2)
    await shown(registered)
    first = await registered.alias_writes.open(MODEL, 1, "slow")
    await FakeModelRegistry.set_alias(registered.registry, MODEL, 1)
    registered.script.gates["alias_version"] = asyncio.Event()
    looking = asyncio.ensure_future(registered.world.watch.settled_head())
    await settle()
    second = await registered.alias_writes.open(MODEL, 1, "slower")
    await registered.alias_writes.close(first)
    registered.script.gates["alias_version"].set()
    head, alias = await looking
    await registered.alias_writes.close(second)
    assert head is not None
    assert (head.generation, alias) == (2, 1)
