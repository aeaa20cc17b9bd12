"""How to reach the MLflow server, as a value that crosses to child processes."""

import base64
import os
import ssl
from dataclasses import dataclass, field
from typing import Final

from domain.errors import Stop
from service.adapters.tls.causes import TlsCause, cause_of
from service.adapters.tls.trust import Trust, no_trust

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
