"""The MLflow tracking server with its registry, on PostgreSQL, serving artifacts from a local folder."""

import sys
import urllib.error
import urllib.request
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path

from service.local.servers import ports
from service.local.servers.process import Command
from service.local.servers.server import EmbeddedServer

_PROJECT = Path(__file__).parents[3]
# An address of this machine needs no proxy, whatever the environment says.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class EmbeddedMlflow(EmbeddedServer):
    """MLflow in one process, on a database of its own, which may come into being after the start.

    Clients get ``mlflow-artifacts:/`` URIs and need no access to the folder.
    """

    name = "mlflow"

    def __init__(self, folder: Path, port: int, database_url: str) -> None:
        super().__init__(folder, port)
        self._database_url = database_url

    @property
    def tracking_uri(self) -> str:
        """Address of tracking and registry."""
        return f"http://{ports.LOOPBACK}:{self.port}"

    def _prepare(self) -> None:
        (self.folder / "artifacts").mkdir(exist_ok=True)

    def _command(self) -> Command:
        stamp = self.folder / f"schema-of-{version('mlflow')}"
        return Command(
            (sys.executable, "-m", "service.local.servers.mlflow_child", str(self.port), str(stamp)),
            self.log,
            environment=self._environment(),
            hide=("MLFLOW_", "_MLFLOW_", "UVICORN_", "PG", "prometheus_multiproc_dir"),
            death_signal=self.polite_signal,  # should it run a child, it passes this on
            keep_open=(self._lock.descriptor,),
        )

    def _environment(self) -> dict[str, str]:
        return {
            "MLFLOW_BACKEND_STORE_URI": self._database_url,
            "MLFLOW_ARTIFACTS_DESTINATION": str(self.folder / "artifacts"),
            "MLFLOW_SERVER_ALLOWED_HOSTS": f"{ports.LOOPBACK}:{self.port},localhost:{self.port}",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_UV_AUTO_DETECT": "false",
            "PYTHONPATH": str(_PROJECT),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }

    def _answers(self) -> bool:
        """An API call: ``/health`` says yes although every other call is refused."""
        url = f"{self.tracking_uri}/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default"
        try:
            with _OPENER.open(url, timeout=5) as response:
                return bool(response.status == HTTPStatus.OK)
        except (OSError, urllib.error.HTTPError):
            return False
