"""No secret leaves (case S04): every world of these tests carries canaries; here every start goes wrong."""

import os
import signal
from pathlib import Path

from sqlalchemy import make_url

from tests.chaos.figures import FIGURES
from tests.chaos.points import FOLDER_VARIABLE
from tests.chaos.world import Chaos
from tests.kit.eventually import eventually
from tests.kit.warm_starts import Nursery
from tests.oracle.canaries import canaries
from tests.oracle.facts import World

PLANTED = "canary-planted-91f3"

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


async def test_a_start_that_goes_wrong_tells_no_secret(world: Chaos, nursery: Nursery) -> None:
    url = make_url(world.deployment.database_url)
    database = f"{url.host}:{url.port}/{url.database}"
    for wrong, settings in BROKEN.items():
        planted = {name: text.format(planted=PLANTED, database=database) for name, text in settings.items()}
        said = await _start(world.deployment.environment | planted, nursery, world.orders.folder)
        assert said, wrong
        told = World("price", outputs={wrong: said}, canaries=(PLANTED,))
        assert list(canaries(told, at_rest=True)) == []
        FIGURES.add("canaries planted")
        FIGURES.add("canaries found", 0)


async def _start(settings: dict[str, str], nursery: Nursery, folder: Path) -> bytes:
    """What `laurel worker` says until it has ended, or has told what is wrong and waits."""
    log = folder / "start.log"
    environment = {**os.environ, **settings, "HTTP__WORKER_PORT": "0", FOLDER_VARIABLE: str(folder)}
    with log.open("ab") as output:
        child = nursery.fork(
            "tests.kit.nursery:be_laurel", {"command": ["worker"]}, environment, output.fileno()
        )
    await eventually(lambda: child.poll() is not None or _waits(log))
    child.send_signal(signal.SIGTERM)
    await eventually(lambda: child.poll() is not None)
    said = log.read_bytes()
    log.unlink()
    return said


def _waits(log: Path) -> bool:
    said = log.read_bytes() if log.exists() else b""
    return b"waiting_to_start" in said or b'"event": "running"' in said
