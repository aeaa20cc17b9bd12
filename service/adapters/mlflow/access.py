"""How to reach the MLflow server, as a value that crosses to child processes."""

import base64
from dataclasses import dataclass, field
from typing import Final

API: Final = "/api/2.0/mlflow/"
ARTIFACTS: Final = "/api/2.0/mlflow-artifacts/artifacts"


@dataclass(frozen=True)
class MlflowAccess:
    """The server's address and what it asks for; `timeout_seconds` bounds each wait.

    Secrets are kept out of its repr. A token goes before user and password.
    """

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    timeout_seconds: float = 8.0

    @property
    def headers(self) -> dict[str, str]:
        """The header that tells the server who we are; none without credentials."""
        if self.token is not None:
            return {"Authorization": f"Bearer {self.token}"}
        if self.username is not None:
            pair = f"{self.username}:{self.password or ''}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        return {}
