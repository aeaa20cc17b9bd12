"""`laurel api`: the HTTP door."""

import asyncio

import structlog
import typer
import uvloop

from config.settings import Settings
from service.cli.console import AsJson
from service.cli.living import begin_logging
from service.cli.reading import read_settings, role_ends

app = typer.Typer(add_completion=False)
log = structlog.get_logger("laurel.api")


@app.command()
def api(*, as_json: AsJson = False) -> None:
    """Take training requests over HTTP, also by the routes of an orchestrator's REST API.

    API__TOKENS opens /training-requests, API__BASIC_USER and API__BASIC_PASSWORD open /api/v1. Logs go to
    standard error; --json overrides LOG__FORMAT. SIGTERM and Ctrl-C end it within its grace.
    """
    settings = read_settings()
    mask = begin_logging(settings, as_json=as_json)
    _tell_closed_doors(settings)
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    with role_ends("api", "laurel.api", mask), runner:
        runner.run(_run(settings))


def _tell_closed_doors(settings: Settings) -> None:
    if not settings.api.tokens:
        log.warning("door_closed", message="no API__TOKENS: /training-requests is closed")
    if settings.api.basic_user is None:
        log.warning("door_closed", message="no API__BASIC_USER and API__BASIC_PASSWORD: /api/v1 is closed")


async def _run(settings: Settings) -> None:
    from service.api.opening import open_api  # noqa: PLC0415 - FastAPI takes half a second to import

    async with open_api(settings) as server:
        await server.run(settings.api.host, settings.api.port)
