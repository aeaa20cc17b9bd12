"""No secret leaves (case S04): every world of these tests carries canaries; here every start goes wrong."""

import asyncio
import os
import sys
from pathlib import Path

from sqlalchemy import make_url

from tests.chaos.figures import FIGURES
from tests.chaos.world import Chaos
from tests.oracle.canaries import canaries
from tests.oracle.facts import World

PLANTED = "canary-planted-91f3"
_PROJECT = Path(__file__).parents[2]

BROKEN = {
    "a password that the database refuses": {"DATABASE_URL": "postgresql://laurel:{planted}@{database}"},
    "a database address that is none": {"DATABASE_URL": "mysql://laurel:{planted}@127.0.0.1/x"},
    "credentials in MLflow's address": {"MLFLOW_TRACKING_URI": "http://user:{planted}@127.0.0.1:1"},
    "credentials in a server's address": {"INFERENCE_API_URL": "http://user:{planted}@127.0.0.1:1"},
    "a password that nobody asked for": {"KAFKA__SASL_PASSWORD": "{planted}"},
    "a token and an MLflow that is away": {
        "MLFLOW__TOKEN": "{planted}",
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:1",
    },
}


async def test_a_start_that_goes_wrong_tells_no_secret(world: Chaos) -> None:
    url = make_url(world.deployment.database_url)
    database = f"{url.host}:{url.port}/{url.database}"
    for wrong, settings in BROKEN.items():
        planted = {name: text.format(planted=PLANTED, database=database) for name, text in settings.items()}
        said = await _start(world.deployment.environment | planted)
        assert said, wrong
        told = World("price", outputs={wrong: said}, canaries=(PLANTED,))
        assert list(canaries(told, at_rest=True)) == []
        FIGURES.add("canaries planted")
        FIGURES.add("canaries found", 0)


async def _start(settings: dict[str, str]) -> bytes:
    environment = {**os.environ, **settings, "HTTP__WORKER_PORT": "0"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service.cli", "worker"),
        cwd=_PROJECT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    return await _said(process)


async def _said(process: asyncio.subprocess.Process) -> bytes:
    """What it says until it has ended, or has told what is wrong and waits."""
    assert process.stdout is not None
    said = b""
    try:
        async with asyncio.timeout(60):
            while line := await process.stdout.readline():
                said += line
                if b"waiting_to_start" in line or b'"event": "running"' in line:
                    break
    finally:
        if process.returncode is None:
            process.terminate()
    said += await process.stdout.read()
    await process.wait()
    return said
