"""Headers that every answer carries."""

from collections.abc import Mapping
from typing import Final

from starlette.types import Message, Send

_HEADERS: Final[Mapping[bytes, bytes]] = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cache-control": b"no-store",
}


class SafeSend:
    """Sends an answer with the headers that it does not set itself, and knows its status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 499  # for a caller that went away before an answer

    async def __call__(self, message: Message) -> None:
        """Send one message."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            said = {name for name, _ in message["headers"]}
            safe = (pair for pair in _HEADERS.items() if pair[0] not in said)
            message["headers"] = [*message["headers"], *safe]
        await self._send(message)
