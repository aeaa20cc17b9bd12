"""What Laurel's predictions are measured beside: other servers of the same model, one process each.

MLflow's own server for a logged model, and the few lines that many a team writes: FastAPI, pandas and the
pipeline.
"""

import os
import sys
import urllib.error
import urllib.request
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from service.local.servers import ports
from service.local.servers.process import Command
from service.local.servers.server import EmbeddedServer

_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_PROJECT: Final = Path(__file__).parents[1]


class _Scoring(EmbeddedServer):
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder, ports.free_port())

    def _prepare(self) -> None:
        """Nothing."""

    @abstractmethod
    def _asked(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """What Python runs, and the environment that is its own."""

    def _command(self) -> Command:
        asked, environment = self._asked()
        return Command(
            (sys.executable, "-m", *asked),
            self.log,
            environment={"OMP_NUM_THREADS": "1", **environment},
            death_signal=self.polite_signal,
            keep_open=(self._lock.descriptor,),
        )

    def _answers(self) -> bool:
        try:
            with _OPENER.open(f"http://{ports.LOOPBACK}:{self.port}/ping", timeout=5) as response:
                return bool(response.status == 200)
        except (OSError, urllib.error.HTTPError):
            return False


class ScoringServer(_Scoring):
    """`mlflow models serve`: one version, named by its URI, in this Python's own environment."""

    name = "mlflow-models-serve"

    def __init__(self, folder: Path, tracking_uri: str, model_uri: str) -> None:
        super().__init__(folder)
        self._tracking_uri = tracking_uri
        self._model_uri = model_uri

    def _asked(self) -> tuple[Sequence[str], Mapping[str, str]]:
        model = ("--model-uri", self._model_uri, "--env-manager", "local", "--workers", "1")
        place = ("--host", ports.LOOPBACK, "--port", str(self.port))
        return ("mlflow", "models", "serve", *model, *place), {
            "MLFLOW_TRACKING_URI": self._tracking_uri,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_UV_AUTO_DETECT": "false",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }


class FastApiServer(_Scoring):
    """`bench.fastapi_app` with the pipeline of a package's folder."""

    name = "fastapi-with-the-pipeline"

    def __init__(self, folder: Path, package: Path, model_type: str) -> None:
        super().__init__(folder)
        self._package = package
        self._model_type = model_type

    def _asked(self) -> tuple[Sequence[str], Mapping[str, str]]:
        arguments = (str(self._package), self._model_type, str(self.port))
        return ("bench.fastapi_app", *arguments), {"PYTHONPATH": str(_PROJECT)}
