"""One node per step; values go from one to the next in memory, which is kedro's default."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from kedro.pipeline import Node, Pipeline

from bench.steps.order import STEPS, Request, Step, call


def register_pipelines() -> dict[str, Pipeline]:
    """The pipeline that runs unless another is named; each step comes after the one before."""
    before = {step.name: [earlier.name] for earlier, step in pairwise(STEPS)}
    nodes = [
        Node(
            _function(step),
            inputs=["params:request", *dict.fromkeys([*step.needs, *before.get(step.name, [])])],
            outputs=step.name,
            name=step.name,
        )
        for step in STEPS
    ]
    return {"__default__": Pipeline(nodes)}


def _function(step: Step) -> Callable[..., Any]:
    def run(request: Mapping[str, Any], *given: Any) -> Any:
        return call(step, Request.of(request), dict(zip(step.needs, given, strict=False)))

    run.__name__ = step.name
    return run
