"""`laurel worker` and `laurel reload-listener`: the two long-lived roles."""

import asyncio
from functools import partial

import structlog
import typer

from config.settings import Settings
from domain.errors import Stop
from service.app import open_listener, open_worker
from service.cli.console import Exit, err, masked, read_settings
from service.metrics import Metrics
from service.role import OpenParts, Role
from service.settings_values import mask_of
from service.telemetry import configure_logging


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("worker", rich_help_panel="Roles")(worker)
    app.command("reload-listener", rich_help_panel="Roles")(reload_listener)


def worker() -> None:
    """Take requests from Kafka and carry each through its lifecycle. Scale by starting more."""
    settings, metrics = read_settings(), Metrics()
    _live("worker", settings, partial(open_worker, settings, metrics), metrics, settings.http.worker_port)


def reload_listener() -> None:
    """Ask the inference servers to reload whenever a model was promoted."""
    settings, metrics = read_settings(), Metrics()
    _live(
        "reload-listener",
        settings,
        partial(open_listener, settings, metrics),
        metrics,
        settings.http.listener_port,
    )


def _live(name: str, settings: Settings, open_parts: OpenParts, metrics: Metrics, port: int) -> None:
    human = settings.log.format == "console"
    configure_logging(mask_of(settings), level=settings.log.level, human=human)
    try:
        asyncio.run(_run(name, settings, open_parts, metrics, port))
    except Stop as error:
        structlog.get_logger("laurel.role").critical(error.reason, message=error.message)
        err.print(f"[red]laurel {name}:[/] {masked(error.message, settings)}", soft_wrap=True)
        raise typer.Exit(Exit.USAGE) from None


async def _run(name: str, settings: Settings, open_parts: OpenParts, metrics: Metrics, port: int) -> None:
    role = Role(name, open_parts, metrics, grace_seconds=settings.worker.grace_seconds)
    role.stop_on_signals()
    await role.run(settings.http.host, port)
