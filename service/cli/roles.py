"""`laurel worker` and `laurel reload-listener`: the two long-lived roles."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import typer

from config.needs import KAFKA, STORE
from service.cli.console import AsJson
from service.cli.reading import begin_logging, read_role_settings, role_ends

if TYPE_CHECKING:
    from config.settings import Settings
    from service.runtime.metrics import Metrics
    from service.runtime.role import OpenParts

app = typer.Typer(add_completion=False)


@app.command()
def worker(*, as_json: AsJson = False) -> None:
    """Take requests from Kafka and run each through its lifecycle. Scale by starting more.

    Logs go to standard error; --json overrides LOG__FORMAT. SIGTERM and Ctrl-C end it within its grace.
    """
    from service.lifecycle.root import open_worker
    from service.runtime.metrics import Metrics

    settings = read_role_settings()
    metrics = Metrics(model=settings.mlflow_model_name, role="worker")
    opened = partial(open_worker, settings, metrics)
    _live("worker", settings, opened, metrics, settings.http.worker_port, as_json=as_json)


@app.command()
def reload_listener(*, as_json: AsJson = False) -> None:
    """Bring every inference server to the champion, and report each that does not follow.

    Logs go to standard error; --json overrides LOG__FORMAT. SIGTERM and Ctrl-C end it within its grace.
    """
    from service.rollout.root import open_listener
    from service.runtime.metrics import Metrics

    settings = read_role_settings(KAFKA, STORE)
    metrics = Metrics(model=settings.mlflow_model_name, role="reload-listener")
    opened = partial(open_listener, settings, metrics)
    _live("reload-listener", settings, opened, metrics, settings.http.listener_port, as_json=as_json)


def _live(
    name: str, settings: Settings, open_parts: OpenParts, metrics: Metrics, port: int, *, as_json: bool
) -> None:
    import asyncio

    from service.cli.role_runner import live
    from service.lifecycle.settings_values import mask_of

    mask = mask_of(settings)
    begin_logging(settings, mask, as_json=as_json)
    with role_ends(name, "laurel.role", mask):
        asyncio.run(live(name, settings, open_parts, metrics, port))
