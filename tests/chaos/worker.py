"""The product's own worker from its own composition root, its points armed, perhaps one part broken."""

import asyncio
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

from config.settings import Settings
from service.lifecycle import root
from service.lifecycle.root import PRODUCT, open_worker
from service.lifecycle.settings_values import mask_of, retry_policy
from service.runtime.metrics import Metrics
from service.runtime.retry import RetryPolicy
from service.runtime.role import Role
from service.runtime.telemetry import configure_logging
from tests.chaos.child_tasks import ARMED_JOBS
from tests.chaos.disk import guard_the_disk
from tests.chaos.mutants import MUTANTS
from tests.chaos.points import FOLDER_VARIABLE, ArmedPoints
from tests.kit.nursery import fork_parent_stands_by, skip_the_warm_up


def _restless(settings: Settings) -> RetryPolicy:
    """Runs that wait give their slots back again and again: each time another worker may take them."""
    return replace(retry_policy(settings), in_slot=1.0)


async def _run(settings: Settings, mutant: str | None) -> None:
    vars(root)["retry_policy"] = _restless
    skip_the_warm_up()
    points, metrics = ArmedPoints(Path(os.environ[FOLDER_VARIABLE])), Metrics()
    makers = replace(PRODUCT, replaced_jobs=ARMED_JOBS)
    if mutant is not None:
        makers = MUTANTS[mutant](makers, points)
    open_parts = partial(open_worker, settings, metrics, points=points, makers=makers)
    role = Role("worker", open_parts, metrics, grace_seconds=settings.worker.grace_seconds)
    role.stop_on_signals()
    await role.run(settings.http.host, settings.http.worker_port)


def run(*, mutant: str | None) -> None:
    """Be a worker from a fork of the nursery: read the environment as `laurel worker` does, and run."""
    guard_the_disk(Path(os.environ[FOLDER_VARIABLE]))
    fork_parent_stands_by()
    settings = Settings(_env_file=None)
    configure_logging(mask_of(settings), level=settings.log.level)
    asyncio.run(_run(settings, mutant))
