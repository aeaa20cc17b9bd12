"""In how many product files a new step, or a new row of a table, has to be written."""

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from domain.feature_schema import ENCODINGS, SCALERS
from domain.lifecycle import NEXT_STEP, TRANSITIONS, Step
from domain.metrics import METRICS
from domain.model_types import MODEL_TYPES
from domain.points import Point

ROOT: Final = Path(__file__).parents[2]
# Where the first model is warmed up: it uses what the tables have, and a new row need not be there.
USES: Final = {"service/lifecycle/steps/warm_up_job.py"}


def words(module: ast.Module) -> Iterator[str]:
    """`Class.MEMBER` where one is used or made, and every text."""
    for node in ast.walk(module):
        match node:
            case ast.Attribute(value=ast.Name(id=owner), attr=member):
                yield f"{owner}.{member}"
            case ast.ClassDef(name=owner, body=body):
                for line in body:
                    if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
                        yield f"{owner}.{line.targets[0].id}"
            case ast.Constant(value=str(text)):
                yield text


@cache
def places() -> dict[str, set[str]]:
    """The product files in which each word stands."""
    found: dict[str, set[str]] = defaultdict(set)
    for room in ("domain", "handlers", "service", "config"):
        for path in (ROOT / room).rglob("*.py"):
            for word in words(ast.parse(path.read_text(encoding="utf-8"))):
                found[word].add(str(path.relative_to(ROOT)))
    return found


def names_of(step: Step) -> list[str]:
    """What a step is called in code: itself, how it goes on, where that leads, and its points."""
    ways = [(outcome, to) for (state, outcome), to in TRANSITIONS.items() if NEXT_STEP.get(state) is step]
    goes_on = [(outcome, to) for outcome, to in ways if to.name not in {"FAILED", "REJECTED"}]
    return [
        f"Step.{step.name}",
        *(f"Outcome.{outcome.name}" for outcome, _ in goes_on),
        *(f"State.{to.name}" for _, to in goes_on),
        *(f"Point.{point.name}" for point in Point if point.name.startswith(f"{step.name}_")),
    ]


def test_a_new_step_is_named_in_six_files_beside_its_own() -> None:
    """Where all steps are named, or all but one, a new one has to be named too."""
    named = Counter(
        path for step in Step for path in set().union(*(places()[name] for name in names_of(step)))
    )
    assert sorted(path for path, steps in named.items() if steps >= len(Step) - 1) == [
        "domain/lifecycle.py",
        "domain/points.py",
        "domain/run_record.py",
        "service/gateway/dag/tasks.py",
        "service/lifecycle/execution.py",
        "service/lifecycle/transitions.py",
    ]


@pytest.mark.parametrize(
    ("table", "file"),
    [
        (MODEL_TYPES, "domain/model_types.py"),
        (METRICS, "domain/metrics.py"),
        (ENCODINGS, "domain/feature_schema.py"),
        (SCALERS, "domain/feature_schema.py"),
    ],
)
def test_a_new_row_of_a_table_is_named_in_one_file(table: dict[str, object], file: str) -> None:
    """Rows may be named elsewhere as well; some stand in their table alone, so a new one may, too."""
    found = [places()[name] - USES for name in table]
    assert all(file in files for files in found)
    assert sum(files == {file} for files in found) >= len(found) / 2
