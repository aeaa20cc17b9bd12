"""How a worker is shown to programs: by the page of the workers, and by `laurel workers --json`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import Field

from domain.fleet import is_silent
from domain.ports.workers import WORKER, HeardProcess
from service.gateway.views import View


class WorkerView(View):
    """One worker of any model. `silent`: it hangs, was killed, or cannot reach the run store."""

    worker: str = Field(description="Its name.")
    model_name: str = Field(description="The model that it works for.")
    state: Literal["living", "silent"] = Field(description="`silent`: nothing was heard of it for 30 s.")
    host: str = Field(description="The machine that it runs on.")
    pid: int = Field(description="Its process there.")
    version: str = Field(description="The release of Laurel that it runs.")
    started_at: datetime = Field(description="When it started.")
    last_heard_at: datetime = Field(description="Its last sign of life.")
    silent_seconds: float = Field(description="How long ago that was.")
    runs: tuple[str, ...] = Field(description="The ids of the runs in hand.")


def worker_views(heard: Sequence[HeardProcess]) -> tuple[WorkerView, ...]:
    """Show the workers among the processes that were heard of."""
    return tuple(
        WorkerView(
            worker=one.name,
            model_name=one.model_name,
            state="silent" if is_silent(one) else "living",
            host=one.host,
            pid=one.pid,
            version=one.laurel_version,
            started_at=one.started_at,
            last_heard_at=one.heard_at,
            silent_seconds=round(one.silent_seconds, 1),
            runs=one.runs,
        )
        for one in heard
        if one.role == WORKER
    )
