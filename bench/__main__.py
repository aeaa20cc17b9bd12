"""`make bench`: measure Laurel beside a bare script in one run, and print the figures.

Nothing here asserts a time: targets are printed beside the figures. With --quick only the small master is
used, few times; in full it takes some minutes. The figures go to build/bench/figures.json too.
`python -m bench serving --reloads 200` measures the inference service alone, with reloads under load.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import uvloop

from bench import table
from bench.commands import measure_commands
from bench.figures import Figures, Size
from bench.flights import Stage, read_flights, stage_of
from bench.flood import flood
from bench.footprint import idle_megabytes, measure_up
from bench.load.soak import SoakPlan, soak
from bench.processes import NotingWorker, Script, servers
from bench.promotions import Course
from bench.serving import ServingFigures, ServingPlan, measure_serving
from bench.wire import open_wire
from service.local.servers.stack import Addresses, LocalStack, Ports, WorldOptions

_PROJECT = Path(__file__).parents[1]
_SMALL_ROWS = 20_000
_SMALL_SECONDS, _LARGE_SECONDS = 0.5, 3.6


@dataclass(frozen=True)
class Plan:
    """How often what is measured."""

    small_pairs: int
    large_pairs: int
    cold: int
    waits: int
    starts: int
    kills: int
    whole: bool
    serving: ServingPlan


_QUICK = Plan(
    small_pairs=5,
    large_pairs=0,
    cold=1,
    waits=20,
    starts=1,
    kills=1,
    whole=False,
    serving=ServingPlan(rounds=2, seconds=0.4),
)
_FULL = Plan(
    small_pairs=20,
    large_pairs=8,
    cold=3,
    waits=60,
    starts=4,
    kills=3,
    whole=True,
    serving=ServingPlan(rounds=4, seconds=1.0),
)


def main() -> None:
    """Measure, print, and write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", choices=["all", "serving"], default="all", help="what to measure")
    parser.add_argument(
        "--reloads", type=int, default=0, metavar="N", help="with serving: N reloads under load"
    )
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second during the reloads")
    parser.add_argument("--quick", action="store_true", help="few times, and on 20,000 rows only")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="laurel-bench-") as folder:
        plan = _QUICK if options.quick else _FULL
        if options.part == "serving":
            reloads = SoakPlan(options.reloads, options.rate) if options.reloads else None
            figures = measure_inference(Path(folder), plan.serving, reloads)
        else:
            figures = measure(Path(folder), plan)
    text = table.markdown(figures)
    sys.stdout.write(f"\n{text}\n\n{table.timelines(figures)}\n")
    target = _PROJECT / "build" / "bench" / "figures.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(figures.document(), indent=2) + "\n")
    if options.write:
        table.write_into(_PROJECT / "docs" / "performance.md", text)


def measure(folder: Path, plan: Plan) -> Figures:
    """Measure everything that a plan asks for."""
    figures = Figures()
    if plan.whole:
        say("laurel up, twice")
        figures.up = measure_up(folder / "up")
    flights = read_flights()
    with servers(folder / "servers") as addresses:
        bench = Bench(folder, addresses, plan, figures)
        asyncio.run(bench.small(stage(folder, "small", flights, _SMALL_ROWS)))
        if plan.large_pairs:
            asyncio.run(bench.large(stage(folder, "large", flights, None)))
        figures.serving = served(folder, addresses, plan.serving)
    figures.loads.append(os.getloadavg()[0])
    return figures


def measure_inference(folder: Path, plan: ServingPlan, reloads: SoakPlan | None) -> Figures:
    """Measure the inference service, which needs MLflow and nothing else."""
    figures = Figures()
    without_kafka = WorldOptions(ports=Ports.free(), external=Addresses(bootstrap_servers="none"))
    with LocalStack(folder / "servers", without_kafka) as world:
        if reloads is None:
            figures.serving = served(folder, world.addresses, plan)
        else:
            say(f"{reloads.reloads} reloads under load")
            figures.soak = asyncio.run(soak(folder / "soak", world.addresses.tracking_uri or "", reloads))
    figures.loads.append(os.getloadavg()[0])
    return figures


def served(folder: Path, addresses: Addresses, plan: ServingPlan) -> ServingFigures:
    """Measure predictions over HTTP."""
    say("predictions over HTTP")
    loop = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(measure_serving(folder / "serving", addresses.tracking_uri or "", plan))


def stage(folder: Path, name: str, flights: pl.DataFrame, rows: int | None) -> tuple[Stage, Stage]:
    """Set up the same stage twice: Laurel's and the bare script's."""
    both = (
        stage_of(folder / f"{name}-laurel", flights, rows),
        stage_of(folder / f"{name}-bare", flights, rows),
    )
    for one in both:
        one.set_up()
    return both


class Bench:
    """Two courses on one set of servers."""

    def __init__(self, folder: Path, addresses: Addresses, plan: Plan, figures: Figures) -> None:
        self._folder = folder
        self._addresses = addresses
        self._plan = plan
        self._figures = figures

    async def small(self, stages: tuple[Stage, Stage]) -> None:
        """The small master, and all that needs no certain size."""
        plan, figures = self._plan, self._figures
        worker, bare = self._rivals("small", stages)
        async with open_wire(self._addresses.bootstrap_servers or "") as wire:
            course = Course(wire, worker, bare)
            for number in range(plan.starts):
                say(f"first event after start {number + 1} of {plan.starts}")
                await asyncio.to_thread(worker.up)
                figures.first_waits.append(await course.first_wait())
                await worker.at_rest()
                if number + 1 < plan.starts:
                    await asyncio.to_thread(worker.stop)
            size = Size("small", stages[0].first_rows, _SMALL_SECONDS)
            await self._race(course, size, bare, plan.small_pairs)
            say("events to the first step")
            figures.waits += [*figures.races["small"].waits, *await course.waits(plan.waits)]
            say("requests beside a megabyte of bad ones")
            async with flood(self._addresses.bootstrap_servers or "", worker.model_name) as goes_on:
                while await goes_on() or not figures.flood_waits:
                    figures.flood_waits += await course.waits(1)
            figures.idle_megabytes = await idle_megabytes(worker)
            say("what commands cost")
            figures.commands = await asyncio.to_thread(measure_commands, worker.environment)
            for number in range(plan.kills):
                say(f"kill {number + 1} of {plan.kills}")
                figures.restarts.append(await course.killed())
            await asyncio.to_thread(worker.stop)

    async def large(self, stages: tuple[Stage, Stage]) -> None:
        """All the flights."""
        worker, bare = self._rivals("large", stages)
        async with open_wire(self._addresses.bootstrap_servers or "") as wire:
            await asyncio.to_thread(worker.up)
            size = Size("large", stages[0].first_rows, _LARGE_SECONDS)
            await self._race(Course(wire, worker, bare), size, bare, self._plan.large_pairs)
            await asyncio.to_thread(worker.stop)

    async def _race(self, course: Course, size: Size, bare: Script, pairs: int) -> None:
        say(f"{pairs} pairs of trainings on {size.rows:,} rows")
        with bare:
            self._figures.sizes[size.name] = size
            self._figures.races[size.name] = await course.race(pairs, self._plan.cold)

    def _rivals(self, name: str, stages: tuple[Stage, Stage]) -> tuple[NotingWorker, Script]:
        worker = NotingWorker(self._folder / f"{name}-worker", stages[0], self._addresses, f"bench_{name}")
        return worker, Script(stages[1], self._addresses.tracking_uri or "", f"bare_{name}")


def say(what: str) -> None:
    """Tell a person who waits what is being measured."""
    sys.stderr.write(f"bench: {what}\n")


if __name__ == "__main__":
    main()
