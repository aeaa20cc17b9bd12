"""The figures of a test run: what was done how often, printed at its end; what was not taken says so."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final


class Figures:
    """Counts by name. A figure that is expected and was never counted prints `not run`."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._samples: dict[str, list[float]] = {}

    def add(self, name: str, count: int = 1) -> None:
        """Count something."""
        self._counts[name] += count

    def sample(self, name: str, seconds: float) -> None:
        """Take one measurement of a time."""
        self._samples.setdefault(name, []).append(seconds)

    @property
    def taken(self) -> bool:
        """True when there is anything to tell."""
        return bool(self._counts or self._samples)

    def told(self) -> dict[str, Any]:
        """Everything as plain values, for the process that prints."""
        return {"counts": dict(self._counts), "samples": self._samples}

    def merge(self, told: dict[str, Any]) -> None:
        """Take over what another process of the same run has counted."""
        self._counts.update(told["counts"])
        for name, values in told["samples"].items():
            self._samples.setdefault(name, []).extend(values)

    def table(self) -> dict[str, str]:
        """Every figure as text."""
        counted = {name: str(count) for name, count in self._counts.items()}
        sampled = {name: _spread(values) for name, values in self._samples.items()}
        return dict.fromkeys(EXPECTED, "not run") | counted | sampled

    def write(self, path: Path, **facts: str) -> None:
        """Write the table and what it takes to repeat the run."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**facts, "figures": self.table()}, indent=2) + "\n", encoding="utf-8")


def _spread(values: list[float]) -> str:
    ordered = sorted(values)
    return f"p50 {ordered[len(ordered) // 2]:.2f} s, max {ordered[-1]:.2f} s ({len(ordered)})"


EXPECTED: Final = (
    "random kills: kills",
    "random kills: runs",
    "random kills → lost, doubled, torn",
    "crash points hit",
    "crash points there are",
    "crash pairs",
    "model checker: states",
    "model checker: broken protocols found out",
    "state machine: histories",
    "mutants caught",
    "race rounds",
    "race rounds → regressions",
    "bad events",
    "bad events → dead letters",
    "bad events → restarts",
    "duplicates",
    "duplicates → extra runs",
    "answers lost",
    "answers lost → orphans made, all tagged",
    "restarts of PostgreSQL",
    "reloads under load",
    "reloads under load → failed predictions",
    "takeover",
    "repair → convergence",
    "tampered artifacts refused",
    "canaries planted",
    "canaries found",
    "ledger entries verified",
    "kills",
)
FIGURES: Final = Figures()
