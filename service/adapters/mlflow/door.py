"""The server's REST API for child processes: plain HTTP on one connection, one request after another.

A child transfers files while the worker's event loop stays free. The standard library's client costs a
fifth of the processor time that MLflow's own takes, and requests side by side gain nothing from a server of
one process.
"""

import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final, Self
from urllib.parse import quote, urlencode, urlsplit

from domain.errors import LaurelError, TryLater
from service.adapters.mlflow.access import API, ARTIFACTS, MlflowAccess
from service.adapters.mlflow.errors import read_answer, require_stored, unavailable
from service.adapters.mlflow.foreign_answers import Answer, Sent, foreign_answer

_BLOCK: Final = 1 << 20
_LARGEST_JSON: Final = 32 * 1024 * 1024
_EARLY_SECONDS: Final = 1.0  # in which an answer is here that came before all was sent
_OK: Final = 200


class Door:
    """One connection to the server, to be used in a `with`. `calls` counts its requests.

    Raises TryLater `mlflow_unavailable` or `mlflow_foreign_answer`, NeverRetry `mlflow_refused` or
    `upload_refused`.
    """

    def __init__(self, access: MlflowAccess) -> None:
        self.calls = 0
        self._access = access
        parts = urlsplit(access.url)
        self._prefix = parts.path.rstrip("/")
        self._headers = access.headers
        host, port, seconds = parts.hostname or "", parts.port, access.timeout_seconds
        if parts.scheme == "https":
            context = access.tls_context()
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, timeout=seconds, blocksize=_BLOCK, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(host, port, timeout=seconds, blocksize=_BLOCK)

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

    def put_artifact(self, path: str, content: IO[bytes], sent: Sent) -> None:
        """Store the bytes of `content` at a path below the server's artifact root."""
        doing, headers = "PUT artifacts", {**self._headers, "Content-Length": str(sent.size)}
        with self._exchange(
            doing, "PUT", f"{ARTIFACTS}/{quote(path)}", headers, content, sent.size
        ) as response:
            require_stored(doing, self._answer(doing, response), sent, self._access.secrets)

    def get_artifact(self, path: str) -> Iterator[bytes]:
        """Read the file at a path below the server's artifact root, in blocks."""
        doing = "GET artifacts"
        with self._exchange(doing, "GET", f"{ARTIFACTS}/{quote(path)}", self._headers) as response:
            if response.status != _OK or _is_page(response, path):
                raise self._no_file(doing, response)
            yield from self._blocks(doing, response)

    def _no_file(self, doing: str, response: http.client.HTTPResponse) -> LaurelError:
        answer = self._answer(doing, response)
        if answer.status != _OK:
            read_answer(doing, answer, hide=self._access.secrets)
        return foreign_answer(doing, answer, None, self._access.secrets)

    def _json(self, method: str, endpoint: str, path: str, query: dict[str, str]) -> dict[str, Any]:
        doing = f"{method} {endpoint}"
        url = f"{path}?{urlencode(query)}" if query else path
        with self._exchange(doing, method, url, self._headers) as response:
            return read_answer(doing, self._answer(doing, response), hide=self._access.secrets)

    def _answer(self, doing: str, response: http.client.HTTPResponse) -> Answer:
        body = bytearray()
        for block in self._blocks(doing, response):
            body += block
            if len(body) > _LARGEST_JSON:
                raise self._broken(doing, f"an answer of more than {_LARGEST_JSON} bytes")
        return Answer(response.status, bytes(body), response.getheader("Location", ""))

    def _blocks(self, doing: str, response: http.client.HTTPResponse) -> Iterator[bytes]:
        """Read on while the bytes come fast enough: an answer that drips is no better than silence."""
        started, came = time.monotonic(), 0
        while block := response.read1(_BLOCK):
            came += len(block)
            if (seconds := time.monotonic() - started) > self._access.allowed_seconds(came):
                raise self._broken(doing, f"the answer drips, {came} bytes in {seconds:.0f} s")
            yield block
        if response.length:  # the client does not mind an early end
            raise self._broken(doing, f"the answer ends {response.length} bytes early")
        response.read()  # nothing is left: this tells the connection so

    def _broken(self, doing: str, detail: str) -> TryLater:
        self._connection.close()
        return unavailable(doing, detail)

    @contextmanager
    def _exchange(
        self,
        doing: str,
        method: str,
        url: str,
        headers: dict[str, str],
        body: IO[bytes] | None = None,
        size: int = 0,
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a request and lend the answer; what breaks on the way ends the connection."""
        self.calls += 1
        try:
            is_whole = self._send(method, url, headers, body)
            self._wait(self._access.allowed_seconds(size) if is_whole else _EARLY_SECONDS)
            yield self._connection.getresponse()
            if not is_whole:
                self._connection.close()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            cause = self._access.cause_of(error)
            raise unavailable(doing, cause.text, advice=cause.advice) from error

    def _send(self, method: str, url: str, headers: dict[str, str], body: IO[bytes] | None) -> bool:
        """False when the other side stopped reading: a proxy that finds it too large has answered already."""
        self._wait(self._access.timeout_seconds)
        try:
            self._connection.request(method, self._prefix + url, body, headers)
        except OSError:
            if body is None or self._connection.sock is None:
                raise
            return False
        return True

    def _wait(self, seconds: float) -> None:
        """Bound each wait from now on."""
        self._connection.timeout = seconds
        if self._connection.sock is not None:
            self._connection.sock.settimeout(seconds)


def _is_page(response: http.client.HTTPResponse, path: str) -> bool:
    """True for a web page in the place of a file that is none: a login page has status 200, too."""
    kind = response.getheader("Content-Type", "").partition(";")[0].strip().lower()
    return kind == "text/html" and not path.lower().endswith((".html", ".htm"))
