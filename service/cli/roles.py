"""`laurel worker` and `laurel reload-listener`: the two long-lived roles."""

import asyncio
from functools import partial

import typer

from config.settings import Settings
from service.app import open_worker
from service.cli.console import AsJson
from service.cli.living import begin_logging, live
from service.cli.reading import read_settings, role_ends
from service.listener import open_listener
from service.metrics import Metrics
from service.role import OpenParts

app = typer.Typer(add_completion=False)


@app.command()
def worker(*, as_json: AsJson = False) -> None:
    """Take requests from Kafka and carry each through its lifecycle. Scale by starting more.

    Logs go to standard error; --json overrides LOG__FORMAT. SIGTERM and Ctrl-C end it within its grace.
    """
    settings, metrics = read_settings(), Metrics()
    opened = partial(open_worker, settings, metrics)
    _live("worker", settings, opened, metrics, settings.http.worker_port, as_json=as_json)


@app.command()
def reload_listener(*, as_json: AsJson = False) -> None:
    """Bring every inference server to the champion, and say which one does not follow.

    Logs go to standard error; --json overrides LOG__FORMAT. SIGTERM and Ctrl-C end it within its grace.
    """
    settings, metrics = read_settings(), Metrics()
    opened = partial(open_listener, settings, metrics)
    _live("reload-listener", settings, opened, metrics, settings.http.listener_port, as_json=as_json)


def _live(
    name: str, settings: Settings, open_parts: OpenParts, metrics: Metrics, port: int, *, as_json: bool
) -> None:
    mask = begin_logging(settings, as_json=as_json)
    with role_ends(name, "laurel.role", mask):
        asyncio.run(live(name, settings, open_parts, metrics, port))
