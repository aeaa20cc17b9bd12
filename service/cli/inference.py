"""`laurel inference`: the service that answers predictions.

It knows neither Kafka nor the run store, so it shares no settings with the other roles.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer

from service.cli.console import AsJson
from service.cli.reading import begin_logging, read_as, role_ends

if TYPE_CHECKING:
    from config.inference_settings import InferenceSettings

app = typer.Typer(add_completion=False)


@app.command()
def inference(*, as_json: AsJson = False) -> None:
    """Serve the champion: predictions over HTTP, and reloads after promotions.

    Logs go to standard error; --json overrides LOG__FORMAT. SIGTERM and Ctrl-C end it within its grace.
    """
    import asyncio

    import structlog
    import uvloop

    from config.inference_settings import InferenceSettings

    settings = read_as(
        InferenceSettings,
        InferenceSettings,
        "the settings of inference are not usable; set them in the environment or in .env here",
    )
    # One row is no work for several threads, and all cores for one request make every other one wait.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from service.serving.root import mask_of

    mask = mask_of(settings)
    begin_logging(settings, mask, as_json=as_json)
    if settings.inference_internal_token is None:
        structlog.get_logger("laurel.inference").warning(
            "reload_closed",
            message="INFERENCE_INTERNAL_TOKEN is not set: /reload is closed, the rest is open",
        )
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    with role_ends("inference", "laurel.inference", mask), runner:
        runner.run(_run(settings))


async def _run(settings: InferenceSettings) -> None:
    from service.serving.root import open_inference

    async with open_inference(settings) as server:
        await server.run(settings.inference.host, settings.inference.port)
