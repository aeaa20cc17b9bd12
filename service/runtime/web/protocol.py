"""uvicorn's HTTP protocol, which by itself bounds neither how much a caller sends nor how slowly."""

import asyncio
from http import HTTPStatus
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.runtime.web.clients import UNKNOWN
from service.runtime.web.connection_limits import Hall
from service.runtime.web.problems import MEDIA_TYPE, ProblemDetails

_NO_REQUEST: Final = HTTPStatus.BAD_REQUEST
_SAYS: Final = {
    HTTPStatus.BAD_REQUEST: ("not_http", "what came is not a request of HTTP/1.1"),
    HTTPStatus.REQUEST_TIMEOUT: ("head_incomplete", "the request's head was not complete in time"),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: ("head_too_large", "the request's head is too large"),
}
_CREDIT: Final = 8  # bytes of framing for each byte of a body: chunks of one byte need five
_MOST_FRAMINGS: Final = 32  # so much of it may be saved up


class _TooLarge(Exception):
    """Comes back from the parser as the cause of its own error."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection.

    `_room` is how many bytes may still come: of a head, or of what frames the pieces of a body.
    `_in_head` is true from the connection's first moment, or a message's end, to the end of the next head.
    """

    def __init__(self, *given: Any, hall: Hall, **named: Any) -> None:
        super().__init__(*given, **named)
        self._hall = hall
        self._in_head = True
        self._room = hall.bounds.head_bytes
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Wait for the first head, for so long and no longer."""
        super().connection_made(transport)
        self._hall.enter(self)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._came()
        self._is_read()
        self._hall.leave(self)

    def eof_received(self) -> bool | None:  # type: ignore[override] # asyncio asks for it
        """Answer a complete request whose caller sends no more; a caller that follows a stream went away."""
        if self.cycle is None or self.cycle.response_started or not self._in_head:
            return None
        self.cycle.keep_alive = False
        return True

    def data_received(self, data: bytes) -> None:
        """Read what came, as far as there is room for it."""
        self._unset_keepalive_if_required()
        while len(data) > self._room:
            if self._room <= 0:
                self._refuse(self._reason())
                return
            piece, data = data[: self._room], data[self._room :]
            if not self._fed(piece):
                return
        self._fed(data)

    def _fed(self, data: bytes) -> bool:
        if self.transport.is_closing():
            return False
        self._room -= len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.cycle.keep_alive = False  # what follows would be of another protocol, and nobody reads it
        except httptools.HttpParserError as error:
            too_large = isinstance(error.__context__, _TooLarge)
            self._refuse(self._reason() if too_large else _NO_REQUEST)
            return False
        if self._in_head and self._deadline is None and self._room < self._hall.bounds.head_bytes:
            self._expect()
        return True

    def _reason(self) -> HTTPStatus:
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if self._in_head else _NO_REQUEST

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a line of the head; what stands after a body in chunks is nobody's."""
        if not self._in_head:
            return
        if len(self.headers) >= self._hall.bounds.head_lines:
            raise _TooLarge
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        if len(self.pipeline) >= self._hall.bounds.pipelined:
            raise _TooLarge
        super().on_headers_complete()
        self._in_head = False
        self._room = self._hall.bounds.framing_bytes
        self._came()
        if self._hall.drain.is_on:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body, and give room for as much again of what frames the next one."""
        super().on_body(body)
        most = _MOST_FRAMINGS * self._hall.bounds.framing_bytes
        self._room = len(body) + min(self._room + _CREDIT * len(body), most)

    def on_message_complete(self) -> None:
        """The next head may come."""
        super().on_message_complete()
        self._in_head = True
        self._room = self._hall.bounds.head_bytes
        if self.cycle.response_complete:
            self._expect()
        else:
            self._hall.works(self)

    def on_response_complete(self) -> None:
        """Wait for the next head; of a body that nobody wants any more not for long."""
        super().on_response_complete()
        if self.pipeline:
            self.flow.pause_reading()
            return
        self._hall.waits(self)
        if not self._in_head or self.transport.is_closing():
            self._expect()

    def pause_writing(self) -> None:
        """Nobody reads the answer: wait for that, for so long and no longer."""
        super().pause_writing()
        self._hall.waits(self)
        self._stalled = self.loop.call_later(self._hall.bounds.stalled_seconds, self.abort)

    def resume_writing(self) -> None:
        """It is read."""
        super().resume_writing()
        self._is_read()
        if self._in_head and not self.cycle.response_complete:
            self._hall.works(self)

    def timeout_keep_alive_handler(self) -> None:
        """End a connection on which nothing comes."""
        self.abort() if self.transport.get_write_buffer_size() else super().timeout_keep_alive_handler()

    def leave_after_answer(self) -> None:
        """Make the answer that is not out yet the last one."""
        if self.cycle is not None and not self.cycle.response_started:
            self.cycle.keep_alive = False

    def abort(self) -> None:
        """End it now, whatever is in hand."""
        self.transport.abort()

    def _expect(self) -> None:
        self._came()
        self._deadline = self.loop.call_later(self._hall.bounds.head_seconds, self._too_slow)

    def _came(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _is_read(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self.transport.is_closing() or not self._in_head or self._room == self._hall.bounds.head_bytes:
            self.abort()
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def _refuse(self, status: HTTPStatus) -> None:
        """Say why and end the connection, after the answer that is in hand."""
        reason, detail = _SAYS[status]
        self._hall.tell(reason, self.client[0] if self.client else UNKNOWN)
        if self.cycle is not None and not self.cycle.response_complete and self._in_head:
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_answer(status, reason, detail))
        self._expect()
        self.transport.close()


def _answer(status: HTTPStatus, reason: str, detail: str) -> bytes:
    body = bytes(ProblemDetails(status, reason, detail).response().body)
    lines = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"content-type: {MEDIA_TYPE}",
        f"content-length: {len(body)}",
        "connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode() + body
