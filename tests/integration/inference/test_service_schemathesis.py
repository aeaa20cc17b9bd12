"""Schemathesis reads the OpenAPI document, and asks every page what it promises and what it does not."""

from asyncio import to_thread
from pathlib import Path

from service.local.servers import ports
from service.local.servers.role import inference_replica
from tests.kit.schemathesis_run import schemathesis
from tests.worlds.registered_models import open_shelf, small_package
from tests.worlds.servers import MlflowServer

_TOKEN = "for-schemathesis"  # noqa: S105 - a test's own


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
            document = f"http://{ports.LOOPBACK}:{replica.port}/openapi.json"
            run = await to_thread(schemathesis, document, f"Bearer {_TOKEN}", tmp_path, examples=8, seed=1)
        finally:
            replica.kill()
    assert run.returncode == 0, run.stdout
    assert "No issues found" in run.stdout
