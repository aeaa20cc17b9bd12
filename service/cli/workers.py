"""`laurel workers`: who works, for which model, since when, and what is in hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import typer

from config.needs import STORE
from domain.wording import iso_time
from service.cli.console import AsJson, Column, print_json, print_table, say
from service.cli.reading import read_settings, run

if TYPE_CHECKING:
    from domain.ports.workers import HeardProcess

app = typer.Typer(add_completion=False)

WORKER_COLUMNS: Final = (
    Column("worker"),
    Column("model", spare=1),
    Column("state"),
    Column("heard", "figure"),
    Column("run"),
    Column("laurel", spare=2),
    Column("since", spare=3),
    Column("host", spare=4),
    Column("pid", "figure", spare=5),
)


@app.command()
def workers(*, as_json: AsJson = False) -> None:
    """List the workers of every model: host, version, start, current runs, last heartbeat.

    One that was silent for more than 30 s hangs, was killed, or cannot reach the run store. A worker that
    ended in order is not listed, and neither is one of Laurel 0.1.0. The exit code is 0 whatever is listed;
    `laurel doctor` judges the workers of this model.
    """
    from domain.ports.workers import WORKER
    from service.lifecycle.looking import open_look

    settings = read_settings(STORE)

    async def work() -> list[HeardProcess]:
        async with open_look(settings) as look:
            return [process for process in await look.workers.heard() if process.role == WORKER]

    found = run(work(), settings)
    if as_json:
        from service.gateway.views import worker_views

        print_json([view.model_dump(mode="json") for view in worker_views(found)])
        return
    print_table("workers", WORKER_COLUMNS, map(_row, found))
    _hint(found, settings.mlflow_model_name)


def _row(worker: HeardProcess) -> tuple[object, ...]:
    from domain.fleet import span

    return (
        worker.name,
        worker.model_name,
        _state(worker),
        f"{span(worker.silent_seconds)} ago",
        ", ".join(run_id[:8] for run_id in worker.runs),
        worker.laurel_version,
        iso_time(worker.started_at),
        worker.host,
        worker.pid,
    )


def _state(worker: HeardProcess) -> str:
    from domain.fleet import is_silent

    return "silent" if is_silent(worker) else "living"


def _hint(found: Sequence[HeardProcess], model: str) -> None:
    if not any(worker.model_name == model and _state(worker) == "living" for worker in found):
        say(f"none of them serves model {model}: start `laurel worker`, or correct MLFLOW_MODEL_NAME")
