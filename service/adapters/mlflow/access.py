"""How to reach the MLflow server, as a value that crosses to child processes, and where artifacts are.

Artifacts are served by the tracking server itself, or stand in a store of their own.
"""

import base64
import os
import ssl
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, urlsplit

from domain.errors import ModelUnusable, Stop
from service.adapters.tls.trust import TlsCause, Trust, cause_of, no_trust

API: Final = "/api/2.0/mlflow/"
ARTIFACTS: Final = "/api/2.0/mlflow-artifacts/artifacts"

# What MLflow's own clients read.
_CA: Final = "MLFLOW_TRACKING_SERVER_CERT_PATH"
_CERTIFICATE: Final = "MLFLOW_TRACKING_CLIENT_CERT_PATH"
_INSECURE: Final = "MLFLOW_TRACKING_INSECURE_TLS"
_CREDENTIALS: Final = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
_SLOWEST: Final = 256 * 1024  # bytes per second that a transfer must reach in the end


@dataclass(frozen=True)
class MlflowAccess:
    """The server's address and what it asks for; `timeout_seconds` bounds each wait.

    Secrets are kept out of its repr. A token goes before user and password. The files are for https: a CA to
    trust in addition to the usual ones, and a client certificate with its key.
    """

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    timeout_seconds: float = 8.0
    ca_file: str | None = None
    client_cert_file: str | None = None
    client_key_file: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The header that tells the server who we are; none without credentials."""
        if self.token is not None:
            return {"Authorization": f"Bearer {self.token}"}
        if self.username is not None:
            pair = f"{self.username}:{self.password or ''}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        return {}

    @property
    def secrets(self) -> tuple[str, ...]:
        """What an answer may repeat of our request, and nobody may read."""
        header = self.headers.get("Authorization", "").partition(" ")[2]
        return tuple({secret for secret in (self.token, self.password, header) if secret})

    def allowed_seconds(self, size: int) -> float:
        """The time for a transfer: it grows with its bytes."""
        return self.timeout_seconds + size / _SLOWEST

    def tls_context(self) -> ssl.SSLContext:
        """Whom to trust, and who we are. Raises Stop for an unusable file, and for checks switched off."""
        if not self._is_https and not (self.ca_file or self.client_cert_file):
            return no_trust()
        if self._is_https and os.environ.get(_INSECURE, "").lower() in {"true", "1"}:
            raise Stop(
                "insecure_tls_refused",
                f"{_INSECURE} is set, and Laurel always checks certificates: unset it, and name the file of "
                "the CA that signed MLflow's certificate in MLFLOW__CA_FILE",
            )
        certificate = self.client_cert_file or os.environ.get(_CERTIFICATE)
        return Trust("MLFLOW", self.ca_file, certificate, self.client_key_file, (_CA,)).context()

    def cause_of(self, error: BaseException) -> TlsCause:
        """Why an exchange with the server failed, and which setting helps."""
        return cause_of(error, "MLFLOW", "MLFLOW_TRACKING_URI", https=self._is_https)

    @property
    def _is_https(self) -> bool:
        return self.url.lower().startswith("https:")


def library_environment(access: MlflowAccess) -> dict[str, str]:
    """Variables for child processes: one bounded try per call, nothing cut, guessed, drawn or sent home.

    Without them the library tries seven times for two minutes each, and repeats POSTs on the way. It gets no
    credentials, not even those that stand in our own environment: it would show them to any store that an
    address leads to, and foreign models run beside it.
    """
    return {
        "MLFLOW_TRACKING_URI": access.url,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_TRUNCATE_LONG_VALUES": "false",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(max(1, round(access.timeout_seconds))),
        "MLFLOW_UV_AUTO_DETECT": "false",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        **dict.fromkeys(_CREDENTIALS, ""),
    }


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
