"""The server's REST API for child processes: plain HTTP on one connection, one request after another.

A child transfers files while the worker's event loop stays free. The standard library's client costs a
fifth of the processor time that MLflow's own takes, and requests side by side gain nothing from a server of
one process.
"""

import http.client
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final, Self
from urllib.parse import quote, urlencode, urlsplit

from service.adapters.mlflow.access import API, ARTIFACTS, MlflowAccess
from service.adapters.mlflow.errors import read_answer, require_stored, unavailable

_BLOCK: Final = 1 << 20
_LARGEST_JSON: Final = 32 * 1024 * 1024
_OK: Final = 200


class Door:
    """One connection to the server, to be used in a `with`. `calls` counts its requests.

    Raises TryLater `mlflow_unavailable` or NeverRetry `mlflow_refused`.
    """

    def __init__(self, access: MlflowAccess) -> None:
        self.calls = 0
        parts = urlsplit(access.url)
        host = parts.hostname or ""
        self._prefix = parts.path.rstrip("/")
        self._headers = access.headers
        if parts.scheme == "https":
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host,
                parts.port,
                timeout=access.timeout_seconds,
                blocksize=_BLOCK,
                context=ssl.create_default_context(),
            )
        else:
            self._connection = http.client.HTTPConnection(
                host, parts.port, timeout=access.timeout_seconds, blocksize=_BLOCK
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get_json(self, endpoint: str, **query: str) -> dict[str, Any]:
        """Read an endpoint below `/api/2.0/mlflow/`."""
        return self._json("GET", endpoint, f"{API}{endpoint}", query)

    def list_artifacts(self, path: str) -> dict[str, Any]:
        """List one folder below the server's artifact root."""
        return self._json("GET", "artifacts", ARTIFACTS, {"path": path})

    def put_artifact(self, path: str, content: IO[bytes], size: int) -> None:
        """Store `size` bytes of `content` at a path below the server's artifact root."""
        doing, headers = "PUT artifacts", {**self._headers, "Content-Length": str(size)}
        with self._exchange(doing, "PUT", f"{ARTIFACTS}/{quote(path)}", headers, content) as response:
            require_stored(doing, response.status, response.read(_LARGEST_JSON))

    def get_artifact(self, path: str) -> Iterator[bytes]:
        """Read the file at a path below the server's artifact root, in blocks."""
        doing = "GET artifacts"
        with self._exchange(doing, "GET", f"{ARTIFACTS}/{quote(path)}", self._headers) as response:
            if response.status != _OK:
                read_answer(doing, response.status, response.read(_LARGEST_JSON))
                raise unavailable(doing, f"status {response.status}")
            while block := response.read(_BLOCK):
                yield block
            if response.length:  # the client does not mind an early end
                raise unavailable(doing, f"the answer ends {response.length} bytes early")

    def _json(self, method: str, endpoint: str, path: str, query: dict[str, str]) -> dict[str, Any]:
        doing = f"{method} {endpoint}"
        url = f"{path}?{urlencode(query)}" if query else path
        with self._exchange(doing, method, url, self._headers) as response:
            return read_answer(doing, response.status, response.read(_LARGEST_JSON))

    @contextmanager
    def _exchange(
        self, doing: str, method: str, url: str, headers: dict[str, str], body: IO[bytes] | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a request and lend the answer; what breaks on the way ends the connection."""
        self.calls += 1
        try:
            self._connection.request(method, self._prefix + url, body, headers)
            yield self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise unavailable(doing, type(error).__name__) from error
