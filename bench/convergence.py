"""From a promotion, or a rollback, to all replicas serving it: a listener, inference servers, and a promoter.

`python -m bench.convergence` prints the figures; nothing here asserts a time. A promotion is what a
worker does: the ledger's entry (there the time begins), the alias, the announcement, the relay. It ends when
the listener has confirmed, by GET /info, that the last replica serves it. A rollback is `laurel rollback`
with a generation, and its time begins when that process is started.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from bench.processes import servers
from domain.announcement import replica_event_id
from domain.events import InferenceReloaded
from service.local.servers.ports import free_port
from service.local.servers.role import EmbeddedRole, inference_replica
from service.local.servers.stack import Addresses
from tests.kit.eventually import eventually
from tests.worlds.registered_models import ModelShelf, open_shelf, small_package
from tests.worlds.reload import ReloadWorld, open_world

GOAL_SECONDS: Final = 1.0
ROLLBACK_GOAL_SECONDS: Final = 2.0
_WARM_UP_SECONDS: Final = 40.0  # until every replica has the child that builds its models
_READY_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Convergence:
    """Seconds from each promotion to the last replica's serving it, as the listener confirmed.

    `rollbacks` begin with the start of the command's process, `after_entry` with the ledger's entry.
    """

    replicas: int
    seconds: Sequence[float]
    rollbacks: Sequence[float]
    after_entry: Sequence[float]

    @property
    def p50(self) -> float:
        """The median."""
        return median(self.seconds)

    @property
    def p95(self) -> float:
        """Of a hundred promotions, five take longer."""
        return quantiles(self.seconds, n=20, method="inclusive")[-1]

    def line(self) -> str:
        """The figures in a line for each."""
        return (
            f"promotion → all {self.replicas} replicas serve it, {len(self.seconds)} promotions: "
            f"p50 {self.p50:.2f} s, p95 {self.p95:.2f} s, longest {max(self.seconds):.2f} s "
            f"(goal: p95 < {GOAL_SECONDS:g} s)\n"
            f"laurel rollback → all {self.replicas} replicas serve it, {len(self.rollbacks)} rollbacks: "
            f"p50 {median(self.rollbacks):.2f} s, longest {max(self.rollbacks):.2f} s "
            f"(goal: {ROLLBACK_GOAL_SECONDS:g} s); from its entry p50 {median(self.after_entry):.2f} s"
        )


def measure_convergence(
    folder: Path, addresses: Addresses, *, replicas: int = 5, promotions: int = 40, rollbacks: int = 10
) -> Convergence:
    """Measure on servers whose topics and schema are there."""
    return asyncio.run(_measure(folder, addresses, replicas, promotions, rollbacks))


async def _measure(
    folder: Path, addresses: Addresses, replicas: int, promotions: int, rollbacks: int
) -> Convergence:
    bootstrap, url = addresses.bootstrap_servers or "", addresses.database_url or ""
    packages = [small_package(folder / "packages", seed=seed) for seed in (3, 4)]
    async with (
        open_shelf(addresses.tracking_uri or "", folder / "shelf") as shelf,
        open_world(folder, bootstrap, url, model=shelf.model_name) as world,
        world.relay(),
    ):
        world.more["MLFLOW_TRACKING_URI"] = addresses.tracking_uri or ""
        ports = [free_port() for _ in range(replicas + 1)]
        urls = [f"http://127.0.0.1:{port}" for port in ports[1:]]
        world.serve_from(urls, RELOAD__POLL_SECONDS="15", RELOAD__TRY_SECONDS="20", RELOAD__TRIES="5")
        with _processes(folder, world.environment, ports):
            promoted = partial(_promoted, world, shelf, urls=urls)
            warm = time.monotonic() + _WARM_UP_SECONDS
            while time.monotonic() < warm:
                await promoted(packages[1])
                await promoted(packages[0])
            found = [await promoted(packages[(number + 1) % 2]) for number in range(promotions)]
            head = await world.ledger.head(world.model)
            newest = head.generation if head else 0
            back = [await _rolled_back(world, newest - step, urls) for step in range(1, rollbacks + 1)]
    return Convergence(replicas, found, [whole for whole, _ in back], [after for _, after in back])


async def _promoted(
    world: ReloadWorld, shelf: ModelShelf, package: Mapping[str, bytes], *, urls: Sequence[str]
) -> float:
    """Promote once; return the seconds until the last replica was confirmed."""
    head = await world.ledger.head(world.model)
    generation = head.generation + 1 if head else 1
    made = await shelf.register(package, generation)
    entry = await world.promote(made.version.version, announced=False)
    await shelf.point(made)
    await world.announce(entry)
    return max(await _confirmed(world, generation, urls))


async def _rolled_back(world: ReloadWorld, to: int, urls: Sequence[str]) -> tuple[float, float]:
    """Return to a generation; give the seconds until the last replica, from the start and from the entry.

    What a rollback has left is quarantined, so each goes further back than the one before.
    """
    head = await world.ledger.head(world.model)
    assert head is not None
    command = (sys.executable, "-m", "service.cli", "rollback", "--reason", "a measurement", "--to")
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *command,
        str(to),
        env={**os.environ, **world.environment},
        stdout=DEVNULL,
        stderr=DEVNULL,
    )
    since_entry = await _confirmed(world, head.generation + 1, urls)
    seconds = time.monotonic() - began
    await process.wait()
    return seconds, max(since_entry)


async def _confirmed(world: ReloadWorld, generation: int, urls: Sequence[str]) -> list[float]:
    """Wait until the last replica was confirmed; return the seconds of each since the ledger's entry."""
    ids = [replica_event_id(world.model, generation, url, InferenceReloaded.topic) for url in urls]

    async def all_confirmed() -> list[float]:
        told = [json.loads(event.body) for event in await world.outbox.told(ids)]
        return [fact["seconds_since_promotion"] for fact in told] if len(told) == len(ids) else []

    return await eventually(all_confirmed, within=_READY_SECONDS)


@contextmanager
def _processes(folder: Path, environment: Mapping[str, str], ports: Sequence[int]) -> Iterator[None]:
    """The listener on the first port, ready, and replicas on the others."""
    with ExitStack() as stack:
        for port in ports[1:]:
            replica = inference_replica(folder / f"replica-{port}", port, environment)
            stack.callback(replica.stop, grace=20)
            replica.start()
        listening = {**environment, "HTTP__LISTENER_PORT": str(ports[0])}
        listener = EmbeddedRole("reload-listener", folder / "listener", ports[0], listening)
        stack.callback(listener.stop, grace=20)
        listener.start()
        listener.wait_ready(_READY_SECONDS)
        yield


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicas", type=int, default=5)
    parser.add_argument("--promotions", type=int, default=40)
    parser.add_argument("--rollbacks", type=int, default=10)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="laurel-bench-") as name,
        servers(Path(name) / "servers") as addresses,
    ):
        found = measure_convergence(
            Path(name),
            addresses,
            replicas=options.replicas,
            promotions=options.promotions,
            rollbacks=options.rollbacks,
        )
    figures = {"seconds": list(found.seconds), "rollbacks": list(found.rollbacks)}
    sys.stdout.write(f"{found.line()}\n{json.dumps(figures)}\n")


if __name__ == "__main__":
    main()
