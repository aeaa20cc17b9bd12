"""Can files be kept where a run's artifacts go: one is written there, read back, and removed."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.artifact_store import open_store
from service.adapters.mlflow.errors import unavailable

_NAME: Final = "laurel-doctor"
_CONTENT: Final = b"written by laurel doctor, and removed again\n"


def probe_artifacts(artifact_uri: str, access: MlflowAccess) -> None:
    """Write, read and remove a small file below an artifact URI; blocks.

    Raises TryLater `mlflow_unavailable` and others of the store.
    """
    with TemporaryDirectory(prefix="laurel-probe-") as folder, open_store(artifact_uri, access) as store:
        file = Path(folder, _NAME)
        file.write_bytes(_CONTENT)
        store.put(_NAME, file)
        found = b"".join(store.read(_NAME))
        store.remove(_NAME)
    if found != _CONTENT:
        raise unavailable("GET artifacts", f"what was stored below {artifact_uri} came back as another file")
