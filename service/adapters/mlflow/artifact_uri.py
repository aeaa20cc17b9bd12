"""Where artifacts are: served by the tracking server itself, or in a store of their own."""

from typing import Final
from urllib.parse import urlsplit

from domain.errors import ModelUnusable

_SERVED: Final = "mlflow-artifacts"
# Stores that MLflow's library would show our credentials for the tracking server to.
_OTHER_SERVERS: Final = frozenset({_SERVED, "http", "https"})


def proxied_path(artifact_uri: str) -> str | None:
    """The path below the server's artifact root; None for any other kind of store."""
    parts = urlsplit(artifact_uri)
    if parts.scheme != _SERVED or parts.netloc:
        return None
    return parts.path.strip("/")


def is_another_server(artifact_uri: str) -> bool:
    """True when the artifacts are said to be behind an HTTP server that is not the tracking server."""
    parts = urlsplit(artifact_uri)
    return parts.scheme in _OTHER_SERVERS and bool(parts.netloc)


def require_own_source(source: str) -> None:
    """Raise ModelUnusable `model_source_refused` for a version whose files are not to be asked for."""
    if not source or is_another_server(source):
        raise ModelUnusable("model_source_refused", "the version's source is empty or on another server")
