"""The command line in a folder of its own, without servers."""

from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest

from service.local.servers.ports import free_port
from tests.unit.cli.calls import Laurel


@pytest.fixture
def laurel(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Laurel]:
    """`laurel` with nothing set, in an empty folder."""
    with chdir(tmp_path):
        yield Laurel(capsys)


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, str]:
    """All that is needed, at addresses where nobody answers."""
    port = free_port(3)
    return {
        "CONFIG_ROOT": str(tmp_path / "config"),
        "DATA_ROOT": str(tmp_path / "data"),
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{port}",
        "DATABASE_URL": f"postgresql://laurel:canary-7391@127.0.0.1:{port + 1}/laurel",
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port + 2}",
        "MLFLOW_MODEL_NAME": "ames_price",
    }
