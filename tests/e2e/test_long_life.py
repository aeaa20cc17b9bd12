"""One worker through thousands of lifecycles: what it holds stays what it was.

Its cost: one to three seconds a lifecycle and its pictures, of which `make soak` runs 2,000.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median
from typing import Any, Final

import psutil
import psycopg
import pytest

from tests.chaos.figures import FIGURES
from tests.chaos.report import ROUNDS
from tests.chaos.world import BETTER_AND_BETTER, write_few_columns, write_models
from tests.e2e.deployment import Deployment, worker_process
from tests.integration.postgres_admin import plain
from tests.kit.eventually import eventually
from tests.kit.processes import open_descriptors
from tests.worlds.synthetic import write_master

_BATCH: Final = 25
_LIFECYCLES: Final = 200 * ROUNDS
_ENDED: Final = b"""
    SELECT count(*) FILTER (WHERE ended), count(*) FILTER (WHERE pictures_done_at IS NOT NULL), (
        SELECT count(*) FROM laurel.outbox WHERE sent_at IS NULL)
    FROM laurel.runs
"""
_SIZES: Final = b"""
    SELECT (SELECT sum(pg_table_size(oid)) FROM pg_class
        WHERE relnamespace = 'laurel'::regnamespace AND relkind = 'r')::bigint,
        (SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'laurel%')
"""


@dataclass(frozen=True)
class Sample:
    """What a worker at rest holds, and what stands on disks because of it."""

    megabytes: float  # the worker and its children, by proportional set size
    descriptors: int
    processes: int
    connections: int
    files: int  # below both roots
    kilobytes: float  # of them, on disk
    stored_kilobytes: float  # in PostgreSQL's tables


@pytest.mark.soak
@pytest.mark.timeout(14_400)
async def test_a_worker_holds_after_2000_lifecycles_what_it_held_after_1000(
    deployment: Deployment, tmp_path: Path
) -> None:
    """The second quarter beside the last one; CHAOS_ROUNDS=1 runs 200 lifecycles, 10 (the default) 2,000."""
    write_master(deployment.world.master, rows=200)
    write_models(deployment.world.config_root)
    write_few_columns(deployment.world.config_root)
    samples: list[Sample] = []
    with (
        worker_process(deployment, tmp_path / "worker") as worker,
        plain(deployment.database_url) as connection,
    ):
        for ended in range(_BATCH, _LIFECYCLES + 1, _BATCH):
            await _carried(deployment, connection, ended)
            samples.append(await _sample(deployment, connection, worker.pid or 0))
    quarter = len(samples) // 4
    early, late = samples[quarter : 2 * quarter], samples[3 * quarter :]
    _tell(early=early, late=late)
    assert _held(late, "megabytes") <= _held(early, "megabytes") * 1.1 + 10
    for flat in ("descriptors", "processes", "connections"):
        assert _held(late, flat) <= _held(early, flat) + 2, flat
    for steady, slack in (("files", 1), ("kilobytes", 50), ("stored_kilobytes", 10)):
        assert _grown(late, steady) <= _grown(early, steady) * 1.25 + slack, steady


async def _carried(deployment: Deployment, connection: psycopg.Connection[Any], count: int) -> None:
    """Ask for a batch; wait until so many runs have ended in all, are drawn, and told of."""
    for number in range(count - _BATCH, count):
        await deployment.ask({"model_version": BETTER_AND_BETTER[number % len(BETTER_AND_BETTER)]})
    await eventually(lambda: connection.execute(_ENDED).fetchone() == (count, count, 0), within=300)


async def _sample(deployment: Deployment, connection: psycopg.Connection[Any], pid: int) -> Sample:
    at_rest = await eventually(lambda: _of_processes(pid))
    roots = (deployment.world.config_root, deployment.world.data_root)
    on_disk = await eventually(lambda: _of_files(roots))
    assert at_rest is not None
    assert on_disk is not None
    stored, connections = connection.execute(_SIZES).fetchone() or (0, 0)
    return Sample(
        *at_rest,
        connections,
        *on_disk,
        stored / 1024,
    )


def _of_processes(pid: int) -> tuple[float, int, int] | None:
    """Memory, descriptors and number; None while one of them ends, as the one that draws does."""
    worker = psutil.Process(pid)
    processes = [worker, *worker.children(recursive=True)]
    with suppress(psutil.Error, FileNotFoundError):
        memory = sum(process.memory_full_info().pss for process in processes) / 1e6
        return memory, sum(open_descriptors(process.pid) for process in processes), len(processes)
    return None


def _of_files(roots: Sequence[Path]) -> tuple[int, float] | None:
    """Number and size on disk; None while an old run's folder is being removed."""
    with suppress(FileNotFoundError):
        found = {file.st_ino: file for root in roots for path in root.rglob("*") if (file := path.lstat())}
        return len(found), sum(file.st_blocks for file in found.values()) / 2
    return None


def _held(samples: Sequence[Sample], name: str) -> float:
    return float(median(getattr(sample, name) for sample in samples))


def _grown(samples: Sequence[Sample], name: str) -> float:
    """By how much a lifecycle, from the first sample to the last."""
    first, last = (getattr(samples[place], name) for place in (0, -1))
    return float(last - first) / (_BATCH * max(1, len(samples) - 1))


def _tell(**quarters: Sequence[Sample]) -> None:
    for name, samples in quarters.items():
        for field in fields(Sample):
            FIGURES.add(f"long life, {name}: {field.name}", round(_held(samples, field.name)))
