"""`mlflow models serve` as a process: MLflow's own server for a logged model, in one worker process."""

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

from service.local.servers import ports
from service.local.servers.process import Command
from service.local.servers.server import EmbeddedServer

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ScoringServer(EmbeddedServer):
    """Serves one version, named by its URI, in this Python's own environment."""

    name = "mlflow-models-serve"

    def __init__(self, folder: Path, tracking_uri: str, model_uri: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder, ports.free_port())
        self._tracking_uri = tracking_uri
        self._model_uri = model_uri

    def _prepare(self) -> None:
        """Nothing."""

    def _command(self) -> Command:
        model = ("--model-uri", self._model_uri, "--env-manager", "local", "--workers", "1")
        place = ("--host", ports.LOOPBACK, "--port", str(self.port))
        return Command(
            (sys.executable, "-m", "mlflow", "models", "serve", *model, *place),
            self.log,
            environment={
                "MLFLOW_TRACKING_URI": self._tracking_uri,
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "MLFLOW_UV_AUTO_DETECT": "false",
                "OMP_NUM_THREADS": "1",
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            },
            death_signal=self.polite_signal,
            keep_open=(self._lock.descriptor,),
        )

    def _answers(self) -> bool:
        try:
            with _OPENER.open(f"http://{ports.LOOPBACK}:{self.port}/ping", timeout=5) as response:
                return bool(response.status == 200)
        except (OSError, urllib.error.HTTPError):
            return False
