"""`laurel inference`: the service that answers predictions.

It knows neither Kafka nor the run store, so it shares no settings with the other roles.
"""

import asyncio
import os

import structlog
import typer
import uvloop

from config.inference_settings import InferenceSettings
from service.cli.console import AsJson
from service.cli.reading import read_as, role_ends
from service.telemetry import configure_logging

app = typer.Typer(add_completion=False)
log = structlog.get_logger("laurel.inference")


@app.command()
def inference(*, as_json: AsJson = False) -> None:
    """Serve the champion: predictions over HTTP, and reloads when a model was promoted.

    Logs go to standard error; --json overrides LOG__FORMAT. SIGTERM and Ctrl-C end it within its grace.
    """
    settings = read_as(
        InferenceSettings,
        "the settings of inference are not usable; set them in the environment or in .env here",
    )
    # One row is no work for several threads, and all cores for one request make every other one wait.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from service.inference.opening import mask_of  # noqa: PLC0415 - NumPy's kin read the variable at import

    mask = mask_of(settings)
    human = settings.log.format == "console" and not as_json
    configure_logging(mask, level=settings.log.level, human=human)
    if settings.inference_internal_token is None:
        log.warning(
            "reload_closed", message="no INFERENCE_INTERNAL_TOKEN: /reload is closed, the rest is open"
        )
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    with role_ends("inference", "laurel.inference", mask), runner:
        runner.run(_run(settings))


async def _run(settings: InferenceSettings) -> None:
    from service.inference.opening import open_inference  # noqa: PLC0415 - as above

    async with open_inference(settings) as server:
        await server.run(settings.inference.host, settings.inference.port)
