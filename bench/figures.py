"""Everything that was measured, and what it is held against."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

from bench.footprint import Restart, Up
from bench.load.soak import Soak
from bench.promotions import Races
from bench.serving import ServingFigures
from bench.timeline import mlflow_calls, timeline

_PERCENTILES = 100


@dataclass(frozen=True)
class Size:
    """One deployment: how many rows its first master had, and the most seconds that a promotion may take."""

    name: str
    rows: int
    most_seconds: float


@dataclass
class Figures:
    """Filled in as it is measured."""

    races: dict[str, Races] = field(default_factory=dict)
    sizes: dict[str, Size] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)  # milliseconds
    first_waits: list[float] = field(default_factory=list)  # milliseconds
    flood_waits: list[float] = field(default_factory=list)  # milliseconds
    idle_megabytes: float = 0.0
    restarts: list[Restart] = field(default_factory=list)
    commands: dict[str, float] = field(default_factory=dict)  # CPU seconds
    up: Up | None = None
    serving: ServingFigures | None = None
    soak: Soak | None = None
    loads: list[float] = field(default_factory=lambda: [os.getloadavg()[0]])

    def document(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "machine": machine(),
            "load_average": self.loads,
            "waits_ms": self.waits,
            "first_waits_ms": self.first_waits,
            "flood_waits_ms": self.flood_waits,
            "idle_worker_mb": self.idle_megabytes,
            "restarts": [vars(restart) for restart in self.restarts],
            "commands_cpu_s": self.commands,
            "up": vars(self.up) if self.up else None,
            "promotions": {name: _document(self.sizes[name], races) for name, races in self.races.items()},
            "serving": self.serving.document() if self.serving else None,
            "reloads_under_load": self.soak.document() if self.soak else None,
        }


def _document(size: Size, races: Races) -> dict[str, Any]:
    heard, notes = races.typical()
    return {
        "rows": size.rows,
        "laurel_s": races.laurel,
        "bare_s": races.bare,
        "cold_s": races.cold,
        "ratio": races.ratio,
        "mlflow_calls": calls(races),
        "timeline_of_the_median": timeline(heard, notes).splitlines(),
    }


def calls(races: Races) -> int:
    """Requests to MLflow per promotion; the reconciler's own fall into some of them, so the least counts."""
    return min(mlflow_calls(notes) for _, notes in races.promotions)


def percentile(values: Sequence[float], rank: int) -> float:
    """The value below which `rank` per cent are."""
    if len(values) == 1:
        return values[0]
    return quantiles(values, n=_PERCENTILES, method="inclusive")[rank - 1]


def machine() -> str:
    """What it was measured on."""
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {system}"


def middle(values: Sequence[float]) -> float:
    """The median."""
    return median(values)
