"""One HTTP connection on which every exchange ends.

The standard library bounds each wait alone: an answer that drips, be it in its head, would go on for ever.
Here one deadline holds for a whole exchange: to connect, to send, to read the answer's head and its body.
"""

import http.client
import io
import select
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final
from urllib.parse import urlsplit

from service.adapters.mlflow.access import MlflowAccess

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK: Final = 1 << 20
_PIECE: Final = 1 << 16
_EARLY_SECONDS: Final = 1.0  # in which an answer is here that came before all was sent
# The server closes idle connections after 5 s: ours go first, so that no request meets a closing one.
_IDLE_SECONDS: Final = 3.0


class TooSlowError(TimeoutError):
    """The deadline of an exchange has come; its text says how far it was."""


class Deadline:
    """The end of one exchange. It moves with every byte, by what the slowest rate that is borne allows."""

    def __init__(self, allowed: Callable[[int], float]) -> None:
        self._began = time.monotonic()
        self._allowed = allowed
        self._sent = 0
        self._came = 0
        self.in_body = False  # until then what comes moves nothing: a head has no end of its own

    def left(self) -> float:
        """Seconds until the end. Raises TooSlowError when it has come."""
        moved = self._sent + (self._came if self.in_body else 0)
        left = self._allowed(moved) - self._seconds
        if left <= 0:
            raise self.over()
        return left

    def sent(self, count: int) -> None:
        """Take note of bytes that went."""
        self._sent += count

    def came(self, count: int) -> None:
        """Take note of bytes that came."""
        self._came += count

    def shorten(self, seconds: float) -> None:
        """Let it come that soon, whatever moves."""
        end = self._seconds + seconds
        self._allowed = lambda _: end

    def over(self) -> TooSlowError:
        """Say how far it was."""
        seconds = self._seconds
        if self._came:
            return TooSlowError(f"the answer arrives too slowly, {self._came} bytes in {seconds:.0f} s")
        return TooSlowError(f"no answer within {seconds:.0f} s")

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._began


class Wire:
    """A connection to the server: made when it is needed, for one exchange after another, in one thread.

    `abort` may come from any other thread. Raises OSError and `http.client.HTTPException`.
    """

    def __init__(self, access: MlflowAccess, context: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(access.url)
        host, port, seconds = parts.hostname or "", parts.port, access.timeout_seconds
        self._allowed = access.allowed_seconds
        self._prefix = parts.path.rstrip("/")
        self._idle_since = 0.0
        self._is_whole = True
        self._socket: _TimedSocket | None = None
        if parts.scheme == "https":
            self._http: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, timeout=seconds, blocksize=BLOCK, context=context or access.tls_context()
            )
        else:
            self._http = http.client.HTTPConnection(host, port, timeout=seconds, blocksize=BLOCK)

    def connect(self) -> None:
        """Begin an exchange, on the connection that stands if it is fresh. Nothing is sent by it."""
        if self._socket is not None and self._http.sock is not None and self._is_stale(self._socket):
            self.close()
        deadline, self._is_whole = Deadline(self._allowed), True
        if self._http.sock is None:
            self._socket = self._http.sock = _TimedSocket(self._connected(), deadline)
        elif self._socket is not None:
            self._socket.deadline = deadline
        deadline.left()

    def _connected(self) -> socket.socket:
        self._http.connect()
        return self._http.sock

    def _is_stale(self, idle: "_TimedSocket") -> bool:
        return time.monotonic() - self._idle_since > _IDLE_SECONDS or idle.has_news

    def request(
        self, method: str, path: str, headers: dict[str, str], body: bytes | IO[bytes] | None
    ) -> http.client.HTTPResponse:
        """Send a request and read the head of the answer.

        The other side may stop reading: a proxy that finds it too large has answered already.
        """
        try:
            self._http.request(method, self._prefix + path, body, headers)
        except OSError:
            if body is None or self._socket is None:
                raise
            self._socket.deadline.shorten(_EARLY_SECONDS)
            self._is_whole = False
        response = self._http.getresponse()
        if self._socket is not None:
            self._socket.deadline.in_body = True
        return response

    def rest(self) -> None:
        """End an exchange; the next one may follow on the same connection if this one was sent whole."""
        self._idle_since = time.monotonic()
        if not self._is_whole:
            self.close()

    def close(self) -> None:
        """End the connection."""
        self._http.close()

    def abort(self) -> None:
        """Let nobody wait on the connection any more."""
        if self._socket is not None:
            self._socket.abort()


class _TimedSocket:
    """What `http.client` uses of a socket, each use within the deadline."""

    def __init__(self, raw: socket.socket, deadline: Deadline) -> None:
        self.deadline = deadline
        self._raw = raw

    @property
    def has_news(self) -> bool:
        """True when something came unasked: the end of the connection, as a rule."""
        poll = select.poll()
        poll.register(self._raw, select.POLLIN)
        return bool(poll.poll(0))

    def sendall(self, data: bytes) -> None:
        """Send all of it, in pieces: over TLS the system's limit is for each record alone."""
        whole = memoryview(data)
        for start in range(0, len(whole), _PIECE):
            piece = whole[start : start + _PIECE]
            try:
                self._raw.settimeout(self.deadline.left())
                self._raw.sendall(piece)
            except TimeoutError:
                raise self.deadline.over() from None
            self.deadline.sent(len(piece))

    def read_into(self, read: "Callable[[WriteableBuffer], int | None]", to: "WriteableBuffer") -> int | None:
        """Read what is there."""
        try:
            self._raw.settimeout(self.deadline.left())
            count = read(to)
        except TimeoutError:
            raise self.deadline.over() from None
        self.deadline.came(count or 0)
        return count

    def makefile(self, mode: str) -> io.BufferedReader:
        """Read from it as from a file; closed when both this and the file are."""
        del mode
        return io.BufferedReader(_TimedFile(self, self._raw.makefile("rb", buffering=0)), _PIECE)

    def close(self) -> None:
        """Close it."""
        self._raw.close()

    def abort(self) -> None:
        """End every wait on it."""
        self.deadline.shorten(0.0)
        with suppress(OSError):
            self._raw.shutdown(socket.SHUT_RDWR)


class _TimedFile(io.RawIOBase):
    """The bytes that come."""

    def __init__(self, timed: _TimedSocket, raw: io.RawIOBase) -> None:
        super().__init__()
        self._timed = timed
        self._raw = raw

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        """Read what is there, within the deadline."""
        return self._timed.read_into(self._raw.readinto, buffer)

    def close(self) -> None:
        """Let go of the socket."""
        if not self.closed:
            self._raw.close()
        super().close()
