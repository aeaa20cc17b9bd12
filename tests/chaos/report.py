"""A pytest plugin: the figures of all processes of a run, printed once at its end, and what repeats it."""

import os
from pathlib import Path
from typing import Any, Final

import pytest

from tests.chaos.figures import FIGURES

SEED: Final = os.environ.get("CHAOS_SEED", "1")
ROUNDS: Final = int(os.environ.get("CHAOS_ROUNDS", "10"))  # of what `make soak` repeats
_REPEAT: Final = f"CHAOS_SEED={SEED} .venv/bin/pytest tests/chaos tests/model_checking"
_REPORT: Final = Path("build/chaos.json")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a process that only runs tests: hand the figures to the one that prints."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["figures"] = FIGURES.told()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A process of pytest-xdist has ended; one that crashed hands over nothing."""
    if told := getattr(node, "workeroutput", {}).get("figures"):
        FIGURES.merge(told)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, if any figure was taken."""
    if not FIGURES.taken:
        return
    terminalreporter.section("faults")
    for name, value in FIGURES.table().items():
        terminalreporter.line(f"{name:<55} {value}")
    terminalreporter.line(f"repeat: {_REPEAT}")
    FIGURES.write(_REPORT, seed=SEED, repeat=_REPEAT)
