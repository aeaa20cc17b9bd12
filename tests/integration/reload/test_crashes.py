"""R06: the listener dies anywhere, runs twice, hears all again, loses the database: all end on the head."""

import asyncio
import signal
from pathlib import Path

import pytest

from config.topics import reloads_group
from domain.events import InferenceReloaded, ModelPromoted
from domain.points import Point
from tests.chaos.points import FOLDER_VARIABLE
from tests.harm.proxies import FaultProxy, hole
from tests.harm.wire_formats import Postgres
from tests.integration.reload.conftest import MakeStandIn
from tests.integration.reload.processes import process
from tests.kit.eventually import eventually
from tests.worlds.own_requests import begin_at
from tests.worlds.reload import ReloadWorld
from tests.worlds.stand_in_server import StandIn

RELOADING = [point for point in Point if point.startswith("reload.")]
_LISTENER = "tests.integration.reload.armed_listener"


def never_back(server: StandIn) -> bool:
    """True when its generations never fell."""
    generations = [generation or 0 for generation, _ in server.history]
    return generations == sorted(generations)


@pytest.mark.parametrize("point", RELOADING)
async def test_a_listener_that_is_killed_leaves_no_replica_behind(
    world: ReloadWorld, stand_in: MakeStandIn, tmp_path: Path, point: Point
) -> None:
    replicas = [await stand_in() for _ in range(2)]
    world.serve_from([one.url for one in replicas])
    armed = tmp_path / "points"
    (armed / "kill").mkdir(parents=True)
    (armed / "kill" / point).write_text("")
    environment = world.environment | {FOLDER_VARIABLE: str(armed)}
    async with world.relay():
        await world.promote(6)
        async with process(_LISTENER, environment=environment) as first:
            assert await asyncio.wait_for(first.wait(), 120) == -signal.SIGKILL
        async with process(_LISTENER, environment=environment):
            await world.converged()
            told = await world.told(InferenceReloaded.topic, 2)
    assert {fact["replica"] for fact in told} == {one.url for one in replicas}
    assert all(never_back(one) for one in replicas)


async def test_two_listeners_say_and_do_the_same_as_one(world: ReloadWorld, stand_in: MakeStandIn) -> None:
    replicas = [await stand_in() for _ in range(3)]
    world.serve_from([one.url for one in replicas])
    async with world.relay(), world.listener(WORKER__ID="one"), world.listener(WORKER__ID="two"):
        for version in (6, 7, 6):
            await world.promote(version)
        await world.converged()
        heads = {(one.url, 3) for one in replicas}
        await eventually(lambda: _all_said(world, heads))
        told = await world.told(InferenceReloaded.topic, 3)
    said = [(fact["replica"], fact["generation"]) for fact in told]
    assert len(said) == len(set(said))
    assert all(never_back(one) for one in replicas)


async def _all_said(world: ReloadWorld, due: set[tuple[str, int]]) -> bool:
    told = [event.data or {} for event in await world.events(InferenceReloaded.topic)]
    return due <= {(fact["replica"], fact["generation"]) for fact in told}


async def test_all_promotions_heard_again_from_the_first_change_nothing(
    world: ReloadWorld, stand_in: MakeStandIn
) -> None:
    replica, theirs = await stand_in(), await stand_in(knows_generations=False)
    world.serve_from([replica.url, theirs.url], RELOAD__POLL_SECONDS="3600")
    async with world.relay():
        for version in (6, 7, 8):
            await world.promote(version)
        async with world.listener():
            await world.converged()
            await world.told(InferenceReloaded.topic, 2)
        before = (list(replica.history), list(theirs.history))
        group = reloads_group(world.model)
        places = {
            (event.coordinates.topic, event.coordinates.partition): 0
            for event in await world.events(ModelPromoted.topic)
        }
        await begin_at(world.bootstrap, group, places)
        async with world.listener() as listener:
            await eventually(lambda: 'outcome="heard",topic="model.promoted"} 3.0' in listener.figures())
            await world.converged()
    assert (replica.history, theirs.history) == before
    assert len(await world.events(InferenceReloaded.topic)) == 2


async def test_without_the_database_a_promotion_is_followed_and_said_when_it_is_back(
    world: ReloadWorld, stand_in: MakeStandIn
) -> None:
    replica = await stand_in()
    port = int(world.url.rpartition(":")[2].partition("/")[0])
    async with FaultProxy(port, Postgres()) as proxy, world.relay():
        through = world.url.replace(f":{port}/", f":{proxy.port}/")
        world.serve_from([replica.url], RELOAD__POLL_SECONDS="0.5", DATABASE_URL=through)
        await world.promote(6)
        async with world.listener() as listener:
            await world.converged()
            await world.told(InferenceReloaded.topic, 1)
            away = proxy.add(hole())
            await proxy.cut_connections()
            await world.promote(7)
            await eventually(lambda: replica.history == [(1, 6), (2, 7)])
            assert away.hits
            proxy.clear()
            told = await world.told(InferenceReloaded.topic, 2)
            assert 'laurel_replicas{state="serving"} 1.0' in listener.figures()
    assert [fact["generation"] for fact in told] == [1, 2]
