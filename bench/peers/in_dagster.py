"""dagster: the job in its default executor, a process for each step; or with IN_PROCESS set, in this one."""

import os
from typing import Any

from dagster import DagsterInstance, execute_job, reconstructable

from bench.peers.lifecycle_in_dagster import lifecycle
from bench.steps.answers import answer
from bench.steps.order import Request


def train(request: Request) -> float:
    """Execute the job, and wait for it; what happens is kept in $DAGSTER_HOME either way."""
    config: dict[str, Any] = {"resources": {"request": {"config": request.values()}}}
    instance = DagsterInstance.get()
    if os.environ.get("IN_PROCESS"):
        done = lifecycle().execute_in_process(config, instance=instance)
        return float(done.output_for_node("promote"))
    with execute_job(reconstructable(lifecycle), instance, config, raise_on_error=True) as result:
        return float(result.output_for_node("promote"))


if __name__ == "__main__":
    answer(train)
