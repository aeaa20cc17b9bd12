"""The listener on the real broker and database: all replicas end on the ledger's head, and it is said."""

import json
from collections.abc import Sequence

import pytest

from domain.announcement import Announcement
from domain.events import InferenceDiverged, InferenceReloaded, ModelPromoted
from tests.e2e.deployment import event_schema
from tests.integration.reload.conftest import MakeStandIn
from tests.kit.eventually import eventually
from tests.worlds.reload import ReloadWorld


async def test_a_promotion_reaches_every_replica_and_each_is_said_once(
    world: ReloadWorld, stand_in: MakeStandIn
) -> None:
    replicas = [await stand_in() for _ in range(3)]
    world.serve_from([one.url for one in replicas], RELOAD__POLL_SECONDS="3600")
    async with world.relay(), world.listener() as listener:
        entry = await world.promote(7)
        await world.converged()
        second = await world.promote(8)
        await world.converged()
        told = await world.told(InferenceReloaded.topic, 6)
    assert [one.history for one in replicas] == [[(1, 7), (2, 8)]] * 3
    assert sorted((fact["replica"], fact["generation"]) for fact in told) == sorted(
        (one.url, generation) for one in replicas for generation in (1, 2)
    )
    assert {fact["version"] for fact in told} == {entry.version, second.version}
    assert all(0 <= fact["seconds_since_promotion"] < 60 for fact in told)
    assert not await world.events(InferenceDiverged.topic)
    figures = listener.figures()
    assert 'laurel_replicas{state="serving"} 3.0' in figures
    assert "laurel_convergence_seconds_count 6.0" in figures
    assert "laurel_ledger_generation 2.0" in figures


async def test_the_events_are_as_their_schemas_say_and_name_the_promotion_as_their_cause(
    world: ReloadWorld, stand_in: MakeStandIn
) -> None:
    good, bad = await stand_in(), await stand_in(behave="refuse")
    world.serve_from([good.url, bad.url])
    async with world.relay(), world.listener():
        await world.promote(7)
        await world.told(InferenceReloaded.topic, 1)
        await world.told(InferenceDiverged.topic, 1)
        (promotion,) = await world.events(ModelPromoted.topic)
        for topic in (InferenceReloaded.topic, InferenceDiverged.topic):
            (event,) = await world.events(topic)
            _valid(event_schema(topic), event.data)
            assert event.attributes["causationid"] == promotion.attributes["id"]
            assert event.attributes["correlationid"] == promotion.attributes["correlationid"]


def _valid(schema: object, data: object) -> None:
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # noqa: PLC0415 - slow to import

    Draft202012Validator(schema).validate(data)


async def test_a_person_may_say_it_in_plain_json(world: ReloadWorld, stand_in: MakeStandIn) -> None:
    replica = await stand_in()
    world.serve_from([replica.url], RELOAD__POLL_SECONDS="3600")
    async with world.listener():
        await world.promote(7, announced=False)
        body = json.dumps({"model_name": world.model, "generation": 1, "version": 7})
        topic = ModelPromoted.topic
        await world.publish(Announcement(event_id="-", topic=topic, key=world.model, headers={}, body=body))
        await world.converged()
    assert replica.history == [(1, 7)]


async def test_what_counts_is_the_ledgers_head_not_what_an_event_claims(
    world: ReloadWorld, stand_in: MakeStandIn
) -> None:
    replica = await stand_in()
    world.serve_from([replica.url], RELOAD__POLL_SECONDS="3600")
    await world.promote(7, announced=False)
    async with world.listener() as listener:
        await world.converged()
        looks = len(replica.heard)
        body = json.dumps({"model_name": world.model, "generation": 99, "version": 66})
        topic = ModelPromoted.topic
        await world.publish(Announcement(event_id="-", topic=topic, key=world.model, headers={}, body=body))
        await eventually(lambda: 'outcome="heard",topic="model.promoted"} 1.0' in listener.figures())
        await eventually(lambda: len(replica.heard) > looks)
    assert replica.history == [(1, 7)]


async def test_a_replica_that_came_up_late_is_healed_at_the_next_look(
    world: ReloadWorld, stand_in: MakeStandIn
) -> None:
    early, late = await stand_in(), await stand_in()
    await late.stop()
    world.serve_from([early.url, late.url])
    async with world.relay(), world.listener():
        await world.promote(7)
        (said,) = await world.told(InferenceDiverged.topic, 1)
        await late.start()
        await world.converged()
        reloaded = await world.told(InferenceReloaded.topic, 2)
    assert (said["replica"], said["reason"], said["served_version"]) == (late.url, "unreachable", None)
    assert {fact["replica"] for fact in reloaded} == {early.url, late.url}


async def test_a_replica_that_lost_its_model_gets_it_back_without_an_event(
    world: ReloadWorld, stand_in: MakeStandIn
) -> None:
    replica = await stand_in()
    world.serve_from([replica.url])
    await world.promote(7, announced=False)
    async with world.listener():
        await world.converged()
        replica.version = replica.generation = None
        await world.converged()
    assert replica.history == [(1, 7), (1, 7)]


@pytest.mark.parametrize("versions", [(7, 8, 7)])
async def test_an_alias_moved_back_by_hand_is_a_generation_that_replicas_follow(
    world: ReloadWorld, stand_in: MakeStandIn, versions: Sequence[int]
) -> None:
    ours, theirs = await stand_in(), await stand_in(knows_generations=False)
    world.serve_from([ours.url, theirs.url], RELOAD__POLL_SECONDS="3600")
    async with world.relay(), world.listener():
        for version in versions:
            await world.promote(version)
            await world.converged()
        status = await world.status()
    assert ours.history == [(1, 7), (2, 8), (3, 7)]
    assert theirs.history == [(None, 7), (None, 8), (None, 7)]
    assert [row.state.value for row in status.replicas] == ["serving", "no generation"]
