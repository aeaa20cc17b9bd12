"""One of Laurel's own roles, or an inference server, as a process beside the embedded servers."""

import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from service.local.servers import ports
from service.local.servers.process import Command
from service.local.servers.server import EmbeddedServer

_PROJECT = Path(__file__).parents[3]
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class EmbeddedRole(EmbeddedServer):
    """One of `laurel`'s roles; ready when its own readiness says so."""

    def __init__(self, name: str, folder: Path, port: int, environment: Mapping[str, str]) -> None:
        self.name = name
        super().__init__(folder, port)
        self._environment = environment

    def _prepare(self) -> None:
        """A role has nothing of its own on disk."""

    def _command(self) -> Command:
        return Command(
            (sys.executable, "-m", "service.cli", self.name),
            self.log,
            environment={"PYTHONPATH": str(_PROJECT), **self._environment},
            death_signal=self.polite_signal,
            keep_open=(self._lock.descriptor,),
        )

    def _answers(self) -> bool:
        try:
            with _OPENER.open(f"http://{ports.LOOPBACK}:{self.port}/health/ready", timeout=5) as response:
                return bool(response.status == 200)  # noqa: PLR2004 - HTTP's own number
        except (OSError, urllib.error.HTTPError):
            return False

    def _log_tail(self) -> str:
        """A role ends with a sentence for people, which is its last line."""
        lines = self._logged().strip().splitlines() or ["it said nothing"]
        return f"{lines[-1]} (all of it: {self.log})"


def inference_replica(folder: Path, port: int, environment: Mapping[str, str]) -> EmbeddedRole:
    """`laurel inference` on this port of 127.0.0.1, with a model cache of its own in `folder`.

    `environment` names MLflow and the model, and a token if there is one.
    """
    place = {
        "INFERENCE__HOST": ports.LOOPBACK,
        "INFERENCE__PORT": str(port),
        "INFERENCE__CACHE_FOLDER": str(folder.absolute() / "models"),
    }
    return EmbeddedRole("inference", folder, port, {**environment, **place})
