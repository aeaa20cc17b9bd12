"""`laurel status` as a process: the champion, the table of replicas, and an exit code that means it."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import Mapping

from domain.run_actions import Actor
from service.adapters.postgres.holds import PostgresHolds
from service.cli.console import Exit
from service.promotion.holding import PromotionHolding
from tests.integration.reload.conftest import MakeStandIn
from tests.kit.eventually import eventually
from tests.unit.cli.calls import Ended
from tests.worlds import warm
from tests.worlds.reload import ReloadWorld
from tests.worlds.stand_in_server import TOKEN


async def laurel(world: ReloadWorld, *words: str, **more: str) -> Ended:
    """Run a command to its end."""
    ended = Ended(*await warm.laurel(*words, **_environment(world, more)))
    assert TOKEN not in ended.out + ended.err
    return ended


def _environment(world: ReloadWorld, more: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, **world.environment, "COLUMNS": "150", **more}


async def test_without_a_champion_or_without_servers_it_says_so(
    world: ReloadWorld, stand_in: MakeStandIn
) -> None:
    replica = await stand_in(version=3, generation=2)
    none = await laurel(world, "status")
    assert (none.code, f"{world.model} has no champion yet" in none.out) == (Exit.NOT_FOUND, True)
    assert "no inference server is configured: set INFERENCE_API_URL" in none.out
    world.serve_from([replica.url])
    early = await laurel(world, "status", "--json")
    assert (early.code, early.json["champion"], early.json["converged"]) == (Exit.NOT_FOUND, None, False)
    assert [(row["version"], row["serves_head"]) for row in early.json["replicas"]] == [(3, False)]


async def test_the_exit_code_is_0_only_if_all_serve_the_head(
    world: ReloadWorld, stand_in: MakeStandIn
) -> None:
    await world.promote(6)
    await world.promote(7)
    ours, theirs = (
        await stand_in(version=7, generation=2),
        await stand_in(knows_generations=False, version=7),
    )
    world.serve_from([ours.url, theirs.url])
    good = await laurel(world, "status")
    assert good.code == Exit.DONE, good
    assert f"champion of {world.model}: version 7, generation 2, since 20" in good.out
    assert "2 of 2 inference servers serve it" in good.out
    assert [line.split()[:2] for line in good.out.splitlines() if "http" in line] == [
        [ours.url, "serving"],
        [theirs.url, "no"],
    ]

    ours.version, ours.generation = 6, 1
    behind = await laurel(world, "status", "--json")
    assert (behind.code, behind.json["converged"]) == (Exit.NO, False)
    assert [(row["state"], row["lag"]) for row in behind.json["replicas"]] == [
        ("behind", 1),
        ("no generation", 0),
    ]

    await ours.stop()
    gone = await laurel(world, "status")
    assert gone.code == Exit.NO
    assert "unreachable" in gone.out
    assert "1 of 2 inference servers serve it" in gone.out


async def test_without_the_database_it_says_what_is_away(world: ReloadWorld) -> None:
    away = await laurel(world, "status", DATABASE_URL="postgresql://u@127.0.0.1:9/none")
    assert (away.code, away.out) == (Exit.AWAY, "")
    assert away.err.startswith("laurel: ")


async def test_watching_looks_again_until_it_is_interrupted(
    world: ReloadWorld, stand_in: MakeStandIn
) -> None:
    replica = await stand_in()
    world.serve_from([replica.url])
    await world.promote(6)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "service.cli", "status", "--watch", "--json"),
        env=_environment(world, {}),
        stdout=PIPE,
        stderr=PIPE,
    )
    assert process.stdout is not None
    first = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
    assert (first["replicas"][0]["state"], first["hold"]) == ("no model", None)
    holds, clock = PostgresHolds(world.database, world.model), world.database.clock
    ada = Actor(name="ada", door="api", proven=True)
    await PromotionHolding(world.model, holds, clock).hold("audit", None, ada)
    replica.version, replica.generation = 6, 1
    stdout = process.stdout

    async def converged() -> bool:
        said = json.loads(await stdout.readline())
        return bool(said["converged"] and said["hold"]["reason"] == "audit")

    await eventually(converged)
    process.send_signal(signal.SIGINT)
    await process.communicate()
    assert process.returncode == Exit.INTERRUPTED


async def test_the_doctor_asks_every_server(world: ReloadWorld, stand_in: MakeStandIn) -> None:
    up, down = await stand_in(), await stand_in()
    await down.stop()
    world.serve_from([up.url, down.url, "http://nowhere.invalid:1"])
    found = {finding["what"]: finding for finding in (await laurel(world, "doctor", "--json")).json}
    assert found[f"inference {up.url}"]["well"]
    for url in (down.url, "http://nowhere.invalid:1"):
        assert not found[f"inference {url}"]["well"]
        assert "INFERENCE_API_URL" in found[f"inference {url}"]["mend"]
