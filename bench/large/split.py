"""The split of large masters beside what the engine needs at least: to hash the keys and write two parts."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from bench.large.data import write_master
from service.processes.child_settings import ForkSettings

ROWS: Final = (6_700_000, 50_000_000)
_MANY_GROUPS: Final = 15_000
_MOST_OF_SEVERAL_ROUNDS: Final = 10_000_000  # rows; more are measured once, and in large row groups alone
_GOALS: Final = {6_700_000: 1.5, 50_000_000: 2.0}
_PEAK_GOAL: Final = 600  # megabytes, whatever the rows
_DISK_GOAL: Final = 2.5  # masters for a run, where the file system shares no blocks
_MEGABYTE: Final = 1 << 20
_HEAD: Final = [
    "rows (row groups)",
    "master",
    "floor: hash, write",
    "split",
    "**split ÷ floor**",
    "peak resident, floor and split",
    "on disk: in a run, after the first, for each later one",
    "goals",
]


@dataclass(frozen=True)
class Measured:
    """One child: seconds of the work alone, the peak of its resident memory, and bytes on the disk."""

    seconds: float
    peak: int
    disk: dict[str, int]


def measure(folder: Path, options: argparse.Namespace) -> Iterator[str]:
    """Measure each size, and the least of them in many small row groups too."""
    yield f"| {' | '.join(_HEAD)} |"
    yield f"| --- |{' ---: |' * (len(_HEAD) - 1)}"
    least = min(options.rows)
    many = [(least, _MANY_GROUPS)] if least <= _MOST_OF_SEVERAL_ROUNDS else []
    for rows, groups in [*((rows, None) for rows in options.rows), *many]:
        with_groups = {} if groups is None else {"row_group": max(1, rows // groups)}
        master = folder / "master.parquet"
        size = write_master(master, rows, **with_groups)
        rounds = options.rounds if rows <= _MOST_OF_SEVERAL_ROUNDS else 1
        pairs = [(_child("floor", master), _child("split", master)) for _ in range(rounds)]
        master.unlink()
        yield _line(rows, groups, size, pairs)


def _child(work: str, master: Path) -> Measured:
    """Run one piece of work in a process of its own, in a folder that is removed; a split as children do."""
    folder = master.with_name(work)
    folder.mkdir()
    command = [sys.executable, "-m", "bench.large.splitting", work, str(master), str(folder)]
    threads = os.cpu_count() or 1
    plain = {"POLARS_MAX_THREADS": str(threads)}
    own = ForkSettings(polars_threads=threads).variables() if work == "split" else plain
    environment = {**os.environ, **own}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)  # noqa: S603 - our own module
    shutil.rmtree(folder)
    return Measured(**json.loads(done.stdout))


def _line(rows: int, groups: int | None, size: int, pairs: list[tuple[Measured, Measured]]) -> str:
    floors, splits = zip(*pairs, strict=True)
    ratio = median(split.seconds / floor.seconds for floor, split in pairs)
    peaks = [max(one.peak for one in side) / _MEGABYTE for side in (floors, splits)]
    disk = {when: held / size for when, held in splits[0].disk.items()}
    goals = [f"peak {_said(peaks[1], _PEAK_GOAL)}", f"disk {_said(disk['more'], _DISK_GOAL)}"]
    if not groups and rows in _GOALS:
        goals.insert(0, f"ratio {_said(ratio, _GOALS[rows])}")
    cells = [
        f"{rows:,}" + (f" ({groups:,})" if groups else ""),
        f"{size / _MEGABYTE:,.0f} MB",
        f"{median(one.seconds for one in floors):.1f} s",
        f"{median(one.seconds for one in splits):.1f} s",
        f"**{ratio:.2f}**",
        f"{peaks[0]:,.0f} MB, {peaks[1]:,.0f} MB",
        f"{disk['during']:.2f}, {disk['after']:.2f}, {disk['more']:.2f} of the master",
        "; ".join(goals),
    ]
    return f"| {' | '.join(cells)} |"


def _said(found: float, goal: float) -> str:
    return f"≤ {goal}: {'met' if found <= goal else '**not met**'}"
