"""The split of large masters beside what the engine needs at least: to hash the keys and write two parts."""

import argparse
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

ROWS: Final = (6_700_000, 50_000_000)
_MANY_GROUPS: Final = 15_000
_MOST_OF_SEVERAL_ROUNDS: Final = 10_000_000  # rows; more are measured once, and in large row groups alone
_GOALS: Final = {6_700_000: 1.5, 50_000_000: 2.0}
_MEGABYTE: Final = 1 << 20
_HEAD: Final = [
    "rows (row groups)",
    "master",
    "floor: hash, write",
    "split",
    "**split ÷ floor**",
    "peak resident, floor and split",
    "on disk",
    "goal",
]


@dataclass(frozen=True)
class Measured:
    """One child: seconds of the work alone, the peak of its resident memory, and the bytes that it left."""

    seconds: float
    peak: int
    left: int


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
    """Run one piece of work in a process of its own, in a folder that is removed."""
    folder = master.with_name(work)
    folder.mkdir()
    command = [sys.executable, "-m", "bench.large.splitting", work, str(master), str(folder)]
    environment = {**os.environ, "POLARS_MAX_THREADS": str(os.cpu_count())}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)  # noqa: S603 - our own module
    left = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    shutil.rmtree(folder)
    seconds, peak = done.stdout.split()
    return Measured(float(seconds), int(peak), left)


def _line(rows: int, groups: int | None, size: int, pairs: list[tuple[Measured, Measured]]) -> str:
    floors, splits = zip(*pairs, strict=True)
    ratio = median(split.seconds / floor.seconds for floor, split in pairs)
    goal = None if groups else _GOALS.get(rows)
    peaks = [max(one.peak for one in side) / _MEGABYTE for side in (floors, splits)]
    cells = [
        f"{rows:,}" + (f" ({groups:,})" if groups else ""),
        f"{size / _MEGABYTE:,.0f} MB",
        f"{median(one.seconds for one in floors):.1f} s",
        f"{median(one.seconds for one in splits):.1f} s",
        f"**{ratio:.2f}**",
        f"{peaks[0]:,.0f} MB, {peaks[1]:,.0f} MB",
        f"{splits[0].left / size:.2f} of the master",
        "" if goal is None else f"≤ {goal}: {'met' if ratio <= goal else '**not met**'}",
    ]
    return f"| {' | '.join(cells)} |"
