"""Schemathesis reads the OpenAPI document, and asks every page what it promises and what it does not."""

import os
import subprocess
import sys
from asyncio import to_thread
from pathlib import Path

from service.embedded import ports
from service.embedded.replica import inference_replica
from tests.registered_models import open_shelf, small_package
from tests.servers import MlflowServer

_TOKEN = "for-schemathesis"  # noqa: S105 - a test's own
_EXAMPLES = 25  # per page and phase: a few hundred requests in all, other ones each time
_SECONDS = 120


async def test_schemathesis_finds_nothing(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    """With every check: no 5xx, nothing undocumented, all that is valid taken and all else refused."""
    async with open_shelf(mlflow_server.tracking_uri, tmp_path / "scratch") as shelf:
        await shelf.promote(small_package(tmp_path / "package"), 1)
        environment = {
            "MLFLOW_TRACKING_URI": shelf.access.url,
            "MLFLOW_MODEL_NAME": shelf.model_name,
            "INFERENCE_INTERNAL_TOKEN": _TOKEN,
        }
        replica = inference_replica(tmp_path / "replica", ports.free_port(), environment)
        try:
            await to_thread(replica.__enter__)
            run = await to_thread(_schemathesis, replica.port, tmp_path)
        finally:
            replica.kill()
    assert run.returncode == 0, run.stdout
    assert "No issues found" in run.stdout


def _schemathesis(port: int, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run it where what it keeps for its next run is thrown away."""
    options = ("--checks", "all", "--max-examples", str(_EXAMPLES), "--no-color")
    return subprocess.run(  # noqa: S603 - ours
        [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"http://{ports.LOOPBACK}:{port}/openapi.json",
            *("--header", f"Authorization: Bearer {_TOKEN}"),
            *options,
        ],
        cwd=folder,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
