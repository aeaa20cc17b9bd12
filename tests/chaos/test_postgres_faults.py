"""PostgreSQL dies at every point and loses answers: what is unclear is read back, and workers live on.

Its cost: a PostgreSQL of its own that is restarted while workers stand at the points of a lifecycle.
"""

import asyncio
from collections.abc import AsyncIterator
from itertools import cycle
from pathlib import Path

import pytest
from sqlalchemy import make_url

from config.topics import TOPICS
from domain.points import Point
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.topic_provisioning import ensure_topics
from service.local.servers import ports
from service.local.servers.postgres import FAST_SETTINGS, EmbeddedPostgres
from tests.chaos.figures import FIGURES
from tests.chaos.fleet import now
from tests.chaos.points import NOT_THE_WORKERS
from tests.chaos.world import (
    BETTER_AND_BETTER,
    CANARIES,
    QUICK,
    Chaos,
    chaos,
    write_few_columns,
    write_models,
)
from tests.e2e.deployment import Deployment
from tests.harm.proxies import FaultProxy, lost
from tests.harm.wire_formats import Postgres, postgres
from tests.kit.warm_starts import Nursery
from tests.oracle.facts import Kind
from tests.worlds.servers import KafkaServer, MlflowServer, make_logins_quick
from tests.worlds.synthetic import write_world

_BESIDE_STATEMENTS = (
    "before_insert",
    "after_insert",
    "before_commit",
    "after_commit",
    "before_renew",
    "after_create",
    "after_register",
    "before_alias",
    "after_alias",
    "before_reread",
    "before_send",
    "after_send",
    "after_mark",
    "after_read",
    "after_write",
)
_COMES_WITHIN = 0.5  # seconds, to the next point
POINTS = tuple(
    point for point in Point if point.partition(".")[2] in _BESIDE_STATEMENTS and point not in NOT_THE_WORKERS
)
STATEMENTS = (
    "laurel.runs",
    "run_transitions",
    "run_outputs",
    "promotion_ledger",
    "laurel.outbox",
    "alias_writes",
)


@pytest.fixture
async def own(
    tmp_path: Path, kafka_server: KafkaServer, mlflow_server: MlflowServer, nursery: Nursery
) -> AsyncIterator[tuple[Chaos, EmbeddedPostgres]]:
    """A world on a PostgreSQL that nobody else needs."""
    await ensure_topics(KafkaConnection(kafka_server.bootstrap_servers), TOPICS)
    world = write_world(tmp_path / "world", rows=200)
    write_models(world.config_root)
    write_few_columns(world.config_root)
    with EmbeddedPostgres(tmp_path / "postgres", ports.free_port(), FAST_SETTINGS) as server:
        make_logins_quick(server.url("postgres"))
        url = server.create_database("laurel")
        deployment = Deployment(
            world, kafka_server.bootstrap_servers, url, mlflow_server.tracking_uri, QUICK | CANARIES
        )
        async with chaos(tmp_path, deployment, nursery) as opened:
            yield opened, server


async def test_a_restart_of_postgres_at_every_point_is_lived_through(
    own: tuple[Chaos, EmbeddedPostgres],
) -> None:
    """Case C08: killed and started again while somebody stands at the point; no worker is restarted."""
    world, server = own
    workers = await world.fleet.running("a", "b", WORKER__LEASE_SECONDS="10")
    waiting = set(POINTS)
    for point in POINTS:
        world.declare(f"restart at {point}")
        world.orders.hold_at(point)
    models, deadline = cycle(BETTER_AND_BETTER), now() + 240
    while waiting:
        assert now() < deadline, f"nobody passed {sorted(waiting)}"
        held = await _where_somebody_stands(world, waiting)
        if not held:
            await _more_work(world, next(models), waiting)
            continue
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(server.wait_ready)
        FIGURES.add("restarts of PostgreSQL")
        for point in held:
            world.orders.go(point)
            world.fired(f"restart at {point}")
        waiting -= held
    await world.at_rest(within=60)
    assert [(worker.lives, worker.alive) for worker in workers] == [(1, True)] * 2
    FIGURES.add("points at which PostgreSQL was restarted", len(POINTS))


async def _where_somebody_stands(world: Chaos, waiting: set[Point]) -> set[Point]:
    """The points, once nobody else comes to another one: a restart is for all who stand somewhere."""
    before: set[Point] = set()
    while True:
        held = {point for point in waiting if world.orders.is_held(point)}
        if held == before:
            return held
        before = held
        await asyncio.sleep(_COMES_WITHIN)


async def _more_work(world: Chaos, model: int, waiting: set[Point]) -> None:
    unfinished = world.rows("SELECT 1 FROM laurel.runs WHERE NOT ended")
    if len(unfinished) < 2:
        await world.ask(model)
    if any(point.startswith("deadletter") for point in waiting):
        await world.put(b"{", kind=Kind.BAD)
    await asyncio.sleep(0.1)


async def test_lost_answers_of_postgres_are_read_back(world: Chaos, database_url: str) -> None:
    """Case C08: the answer to every kind of writing statement is lost; nothing is doubled."""
    direct = make_url(database_url)
    async with FaultProxy(direct.port or 0, Postgres(), target_host=direct.host or "") as proxy:
        through = direct.set(host="127.0.0.1", port=proxy.port)
        (worker,) = await world.fleet.running(
            "a", DATABASE_URL=through.render_as_string(hide_password=False), WORKER__LEASE_SECONDS="10"
        )
        models, deadline = cycle(BETTER_AND_BETTER), now() + 120
        faults = {f"lost: {name}": proxy.add(lost(postgres(name), times=3)) for name in STATEMENTS}
        world.declare(*faults)
        while not all(fault.hits for fault in faults.values()):
            assert now() < deadline, [name for name, fault in faults.items() if not fault.hits]
            await world.ask(next(models))
            await world.ended(len(world.witness.sent))
            await proxy.cut_connections()  # what was prepared on them is said again in full
        world.fired(*faults)
        FIGURES.add("answers lost", sum(fault.hits for fault in faults.values()))
        proxy.clear()
        await world.at_rest(within=60)
        assert worker.lives == 1
