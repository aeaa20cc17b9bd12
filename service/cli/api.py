"""`laurel api`: the HTTP API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from config.needs import KAFKA, MLFLOW, STORE
from service.cli.console import AsJson
from service.cli.reading import begin_logging, read_role_settings, role_ends

if TYPE_CHECKING:
    from config.settings import Settings

app = typer.Typer(add_completion=False)


@app.command()
def api(*, as_json: AsJson = False) -> None:
    """Take training requests over HTTP, also by the routes of an orchestrator's REST API.

    API__TOKENS opens /training-requests, API__BASIC_USER and API__BASIC_PASSWORD open /api/v1. Logs go to
    standard error; --json overrides LOG__FORMAT. SIGTERM and Ctrl-C end it within its grace.
    """
    import asyncio

    import uvloop

    from service.lifecycle.settings_values import mask_of

    settings = read_role_settings(KAFKA, MLFLOW, STORE)
    mask = mask_of(settings)
    begin_logging(settings, mask, as_json=as_json)
    _tell_closed_pages(settings)
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    with role_ends("api", "laurel.api", mask), runner:
        runner.run(_run(settings))


def _tell_closed_pages(settings: Settings) -> None:
    import structlog

    log = structlog.get_logger("laurel.api")
    if not settings.api.tokens:
        log.warning("door_closed", message="API__TOKENS is not set: /training-requests is closed")
    if settings.api.basic_user is None:
        log.warning(
            "door_closed", message="API__BASIC_USER and API__BASIC_PASSWORD are not set: /api/v1 is closed"
        )


async def _run(settings: Settings) -> None:
    from service.gateway.root import open_api

    async with open_api(settings) as server:
        await server.run(settings.api.host, settings.api.port)
