"""The server's REST API on one connection, one request after another: what every call of ours goes through.

A child transfers files with one; the worker's event loop has several, in threads. The standard library's
client costs a fifth of the processor time that MLflow's own takes.
"""

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Final, Self
from urllib.parse import quote, urlencode

from domain.errors import LaurelError
from domain.wording import byte_count
from service.adapters.mlflow.access import API, ARTIFACTS, MlflowAccess
from service.adapters.mlflow.answer_types import MlflowAnswer
from service.adapters.mlflow.errors import (
    ForeignAnswer,
    Sent,
    foreign_answer,
    read_answer,
    require_stored,
    unavailable,
)
from service.adapters.mlflow.wire import BLOCK, TooSlowError, Wire

_LARGEST_ANSWER: Final = 32 * 1024 * 1024
_OK: Final = 200
_JSON: Final = "application/json"


class SyncClient:
    """One connection to the server, to be used in a `with`. `calls` counts its requests.

    Raises TryLater `mlflow_unavailable` or `mlflow_foreign_answer`, NeverRetry `mlflow_refused` or
    `upload_refused`.
    """

    def __init__(self, access: MlflowAccess, context: ssl.SSLContext | None = None) -> None:
        self.calls = 0
        self._access = access
        self._headers = {"User-Agent": "laurel", **access.headers}
        self._wire = Wire(access, context)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._wire.close()

    def abort(self) -> None:
        """Let the thread that is in the middle of an exchange wait no more."""
        self._wire.abort()

    def ask(self, doing: str, method: str, url: str, body: bytes | None = None) -> ForeignAnswer:
        """Send a request and read its answer whole, whatever it says."""
        headers = self._headers if body is None else {**self._headers, "Content-Type": _JSON}
        with self._exchange(doing, method, url, headers, body) as response:
            return self._answer(doing, response)

    def get_json(self, endpoint: str, **query: str) -> MlflowAnswer:
        """Read an endpoint below `/api/2.0/mlflow/`."""
        return self._read("GET", endpoint, with_query(f"{API}{endpoint}", query))

    def list_artifacts(self, path: str) -> MlflowAnswer:
        """List one folder below the server's artifact root."""
        return self._read("GET", "artifacts", with_query(ARTIFACTS, {"path": path}))

    def put_artifact(self, path: str, content: IO[bytes], sent: Sent) -> None:
        """Store the bytes of `content` at a path below the server's artifact root."""
        doing, headers = "PUT artifacts", {**self._headers, "Content-Length": str(sent.size)}
        with self._exchange(doing, "PUT", artifact_url(path), headers, content) as response:
            require_stored(doing, self._answer(doing, response), sent, self._access.secrets)

    def delete_artifact(self, path: str) -> None:
        """Remove the file at a path below the server's artifact root."""
        self._read("DELETE", "artifacts", artifact_url(path))

    def get_artifact(self, path: str) -> Iterator[bytes]:
        """Read the file at a path below the server's artifact root, in blocks."""
        doing = "GET artifacts"
        with self._exchange(doing, "GET", artifact_url(path), self._headers) as response:
            if response.status != _OK or _is_page(response, path):
                raise self._no_file(doing, response)
            yield from self._blocks(doing, response)

    def _read(self, method: str, endpoint: str, url: str) -> MlflowAnswer:
        doing = f"{method} {endpoint}"
        return read_answer(doing, self.ask(doing, method, url), hide=self._access.secrets)

    def _no_file(self, doing: str, response: http.client.HTTPResponse) -> LaurelError:
        answer = self._answer(doing, response)
        if answer.status != _OK:
            read_answer(doing, answer, hide=self._access.secrets)
        return foreign_answer(doing, answer, None, self._access.secrets)

    def _answer(self, doing: str, response: http.client.HTTPResponse) -> ForeignAnswer:
        body = bytearray()
        for block in self._blocks(doing, response):
            body += block
            if len(body) > _LARGEST_ANSWER:
                raise unavailable(doing, f"an answer of more than {byte_count(_LARGEST_ANSWER)}")
        return ForeignAnswer(response.status, bytes(body), response.getheader("Location", ""))

    def _blocks(self, doing: str, response: http.client.HTTPResponse) -> Iterator[bytes]:
        while block := response.read1(BLOCK):
            yield block
        if response.length:  # the client does not mind an early end
            raise unavailable(doing, f"the answer ends {response.length} bytes early")
        response.read()  # nothing is left: this tells the connection so

    @contextmanager
    def _exchange(
        self,
        doing: str,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | IO[bytes] | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a request and lend the answer; what breaks on the way ends the connection."""
        self.calls += 1
        was_sent = False
        try:
            self._wire.connect()
            was_sent = True
            yield self._wire.request(method, url, headers, body)
            self._wire.rest()
        except (OSError, http.client.HTTPException) as error:
            self._wire.close()
            if isinstance(error, TooSlowError):
                raise unavailable(doing, str(error), unclear=was_sent) from error
            cause = self._access.cause_of(error)
            raise unavailable(doing, cause.text, unclear=was_sent, advice=cause.advice) from error
        except BaseException:  # the answer was not read to its end: another would be taken for the rest of it
            self._wire.close()
            raise


def with_query(path: str, query: Mapping[str, str]) -> str:
    """A path with its query."""
    return f"{path}?{urlencode(query)}" if query else path


def artifact_url(path: str) -> str:
    """Where a file below the server's artifact root is."""
    return f"{ARTIFACTS}/{quote(path)}"


def as_json(body: Mapping[str, object]) -> bytes:
    """The bytes of a body; NaN and infinity are a defect of ours."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _is_page(response: http.client.HTTPResponse, path: str) -> bool:
    """True for a web page in the place of a file that is none: a login page has status 200, too."""
    kind = response.getheader("Content-Type", "").partition(";")[0].strip().lower()
    return kind == "text/html" and not path.lower().endswith((".html", ".htm"))
