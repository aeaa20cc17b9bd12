"""The methods of HTTP that are told apart, and HEAD wherever GET is: the same answer, without its body."""

from typing import Final

from starlette.types import Message, Scope, Send

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def head_as_get(scope: Scope, send: Send) -> tuple[Scope, Send]:
    """What an application is given for a request; the server leaves the body out by what was asked for."""
    if scope["method"] != "HEAD":
        return scope, send
    return {**scope, "method": "GET"}, HeadSend(send)


class HeadSend:
    """Ends an answer with its head, also one that would go on for ever."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._is_out = False

    async def __call__(self, message: Message) -> None:
        """Send one message, if it belongs to the head."""
        if self._is_out:
            return
        await self._send(message)
        self._is_out = True
        await self._send({"type": "http.response.body"})
