"""Where artifacts are: served by the tracking server itself, or in a store of their own."""

from typing import Final
from urllib.parse import SplitResult, urlsplit

from domain.errors import ModelUnusable
from service.adapters.mlflow.access import ARTIFACTS

_SERVED: Final = "mlflow-artifacts"
_WEB: Final = {"http": 80, "https": 443}
# Stores that our credentials for the tracking server would be shown to.
_SERVERS: Final = frozenset({_SERVED, *_WEB})


def proxied_path(artifact_uri: str) -> str | None:
    """The path below the server's artifact root; None for any other kind of store."""
    parts = _parts(artifact_uri)
    if parts.scheme != _SERVED or parts.netloc:
        return None
    return _without_steps_up(parts.path.strip("/"))


def served_path(artifact_uri: str, server: str) -> str | None:
    """The path below the artifact root of the server at this address; None for a store of another kind.

    Raises ModelUnusable `model_source_refused` for another server: it would be shown our credentials.
    """
    parts = _parts(artifact_uri)
    if parts.scheme not in _SERVERS:
        return None
    if (root := proxied_path(artifact_uri)) is not None:
        return root
    own = _parts(server)
    path = parts.path.strip("/") if parts.scheme == _SERVED else _below(f"{own.path}{ARTIFACTS}", parts.path)
    if path is None or not _is_same_server(parts, own):
        raise _another_server(parts)
    return _without_steps_up(path)


def is_elsewhere(source: str) -> bool:
    """True when a version's files are in a store that the tracking server does not serve."""
    return _parts(source).scheme not in {_SERVED, "models", "runs"}


def require_source(source: str) -> None:
    """Raise ModelUnusable `model_source_refused` for a version that does not say where its files are."""
    if not source:
        raise ModelUnusable("model_source_refused", "the version's source is empty")


def _parts(uri: str) -> SplitResult:
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError as error:
        raise _refused("the address of the artifacts cannot be read") from error
    return parts


def _is_same_server(parts: SplitResult, own: SplitResult) -> bool:
    """As the library would find it: the scheme of the tracking server unless there is one."""
    scheme = own.scheme if parts.scheme == _SERVED else parts.scheme
    place = (scheme, (parts.hostname or "").lower(), parts.port or _WEB.get(scheme))
    its = (own.scheme, (own.hostname or "").lower(), own.port or _WEB.get(own.scheme))
    return place == its and "@" not in parts.netloc


def _below(root: str, path: str) -> str | None:
    return path.removeprefix(root).strip("/") if path.startswith(f"{root}/") else None


def _without_steps_up(path: str) -> str:
    """A proxy on the way may walk the steps up, out of the artifacts."""
    if ".." in path.replace("\\", "/").split("/"):
        raise _refused("the address of the artifacts leads out of the server's artifact root")
    return path


def _another_server(parts: SplitResult) -> ModelUnusable:
    host = parts.netloc.rpartition("@")[2] or "no host"
    return _refused(
        f"the artifacts are at {parts.scheme}://{host}, which is not this MLflow server: "
        "its credentials are not sent there"
    )


def _refused(message: str) -> ModelUnusable:
    return ModelUnusable("model_source_refused", message)
