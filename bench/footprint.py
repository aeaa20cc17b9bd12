"""Memory, starts, and a worker that is killed in the middle of a run."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.notes import Note, first
from bench.processes import NotingWorker, laurel_up, tree_cpu_seconds, tree_megabytes
from bench.wire import Wire

_SETTLE_SECONDS = 3.0
_LONGEST = 60.0


@dataclass(frozen=True)
class Up:
    """`laurel up`: seconds to ready at its first and second start, megabytes of what it started.

    `cpu_seconds` are those of the second start, by what spent them.
    """

    first_seconds: float
    second_seconds: float
    megabytes: float
    cpu_seconds: Mapping[str, float]


@dataclass(frozen=True)
class Restart:
    """A worker killed in a run and started again; seconds after it was ready, negative for before."""

    ready: float
    next_event_stored: float
    own_run_taken: float


def measure_up(folder: Path) -> Up:
    """Start everything twice in a folder that is new."""
    with laurel_up(folder) as (first_seconds, _):
        pass
    with laurel_up(folder) as (second_seconds, process):
        cpu_seconds = tree_cpu_seconds(process.pid)
        time.sleep(_SETTLE_SECONDS)
        megabytes = tree_megabytes(process.pid, itself=False)
    return Up(first_seconds, second_seconds, megabytes, cpu_seconds)


async def idle_megabytes(worker: NotingWorker) -> float:
    """What an idle worker holds after its work."""
    await worker.at_rest()
    await asyncio.sleep(_SETTLE_SECONDS)
    return worker.megabytes()


async def measure_restart(wire: Wire, worker: NotingWorker, version: int) -> Restart:
    """Kill by SIGKILL while a model is fitted, publish the next event, and start again."""
    worker.stage.deliver(version)
    worker.notes.new()
    _, _, interrupted = await wire.publish(worker.model_name, version)
    await _noted(worker, "split.after_commit")
    worker.kill()
    _, _, waiting = await wire.publish(worker.model_name, version + 1)
    worker.notes.new()
    ready = await asyncio.to_thread(worker.up)
    await wire.end_of(interrupted)
    await wire.end_of(waiting)
    notes = worker.notes.new()
    is_ready = _at(notes, "ready")
    return Restart(
        ready=ready,
        next_event_stored=_at(notes, "inbox.after_insert") - is_ready,
        own_run_taken=_at(notes, "claim.after_commit") - is_ready,
    )


async def _noted(worker: NotingWorker, name: str) -> None:
    until = time.monotonic() + _LONGEST
    while first(worker.notes.new(), name) is None:
        if time.monotonic() > until:
            raise SystemExit(f"the worker never came to {name}")
        await asyncio.sleep(0.002)


def _at(notes: list[Note], name: str) -> float:
    found = first(notes, name)
    if found is None:
        raise SystemExit(f"the worker did not come to {name} after its restart")
    return found.began / 1e9
