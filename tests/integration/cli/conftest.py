"""The command line against the session's servers, with a database and a model of its own for each test."""

import asyncio
import shutil
import uuid
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest

from service.local.demo.stage import EXAMPLE, Stage
from tests.unit.cli.calls import Laurel
from tests.worlds.own_requests import begin_here
from tests.worlds.servers import KafkaServer, MlflowServer


@pytest.fixture
def model() -> str:
    """The registered model of one test."""
    return f"price-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def environment(
    kafka_server: KafkaServer, mlflow_server: MlflowServer, database_url: str, model: str, tmp_path: Path
) -> dict[str, str]:
    """What a command needs; the topics are there, and the schema."""
    asyncio.run(begin_here(kafka_server.bootstrap_servers, model))
    stage = Stage(tmp_path)
    stage.set_up()
    shutil.copy(EXAMPLE / "data" / "ames.parquet", stage.master)
    return {
        "CONFIG_ROOT": str(stage.config_root),
        "DATA_ROOT": str(stage.data_root),
        "KAFKA_BOOTSTRAP_SERVERS": kafka_server.bootstrap_servers,
        "DATABASE_URL": database_url,
        "MLFLOW_TRACKING_URI": mlflow_server.tracking_uri,
        "MLFLOW_EXPERIMENT": model,
        "MLFLOW_MODEL_NAME": model,
    }


@pytest.fixture
def laurel(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, environment: dict[str, str]
) -> Iterator[Laurel]:
    """`laurel` with all of that in its environment."""
    with chdir(tmp_path):
        yield Laurel(capsys, environment)
