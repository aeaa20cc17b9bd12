"""An inference server as a process beside the embedded ones."""

from collections.abc import Mapping
from pathlib import Path

from service.local.servers import ports
from service.local.servers.role import EmbeddedRole


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
