"""The six steps as a job of dagster: an op each; values go on as dagster's default hands them on, pickled."""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

from dagster import (
    DependencyDefinition,
    Field,
    GraphDefinition,
    In,
    JobDefinition,
    Nothing,
    OpDefinition,
    OpExecutionContext,
    Out,
    Output,
    Permissive,
    ResourceDefinition,
)

from bench.steps.order import STEPS, Request, Step, call

_AFTER: Final = "after"  # the input that carries nothing but the order


def lifecycle() -> JobDefinition:
    """The job, with everything as dagster has it unless told otherwise."""
    dependencies: dict[str, dict[str, DependencyDefinition]] = {
        step.name: {name: DependencyDefinition(name) for name in step.needs} for step in STEPS
    }
    for earlier, step in pairwise(STEPS):
        if earlier.name not in step.needs:
            dependencies[step.name][_AFTER] = DependencyDefinition(earlier.name)
    request = ResourceDefinition(lambda context: context.resource_config, Field(Permissive()))
    ops = [_op(step, after=_AFTER in dependencies[step.name]) for step in STEPS]
    graph = GraphDefinition("lifecycle", node_defs=ops, dependencies=dependencies)
    return graph.to_job(resource_defs={"request": request})


def _op(step: Step, *, after: bool) -> OpDefinition:
    inputs = {name: In() for name in step.needs}
    return OpDefinition(
        compute_fn=_function(step),
        name=step.name,
        ins={**inputs, **({_AFTER: In(Nothing)} if after else {})},
        outs={"result": Out()},
        required_resource_keys={"request"},
    )


def _function(step: Step) -> Callable[[OpExecutionContext, Mapping[str, Any]], Iterator[Output[Any]]]:
    def run(context: OpExecutionContext, given: Mapping[str, Any]) -> Iterator[Output[Any]]:
        yield Output(call(step, Request.of(context.resources.request), given), "result")

    return run
