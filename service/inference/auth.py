"""Who may ask: a bearer token, compared in constant time."""

import hmac
from http import HTTPStatus
from typing import Final

from starlette.types import Scope

from service.inference.problems import Problem

_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="laurel"'}


class Gatekeeper:
    """Knows the token, or that there is none: then all is open but what needs one."""

    def __init__(self, token: str | None) -> None:
        self._expected = None if token is None else token.encode()

    @property
    def has_token(self) -> bool:
        """True when a token is configured."""
        return self._expected is not None

    def refusal(self, scope: Scope) -> Problem | None:
        """Why this request may not pass; None when it may."""
        if self._expected is None:
            return None
        sent = _bearer(scope)
        if sent is None:
            return _unauthorized("no_token", "this page asks for a token: Authorization: Bearer …")
        if not hmac.compare_digest(sent, self._expected):
            return _unauthorized("wrong_token", "the bearer token is not the one that is configured here")
        return None


def _bearer(scope: Scope) -> bytes | None:
    """The token that came; None for none, for another scheme, and for two of them."""
    sent = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(sent) != 1:
        return None
    scheme, _, token = bytes(sent[0]).partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" and token.strip() else None


def _unauthorized(reason: str, detail: str) -> Problem:
    return Problem(HTTPStatus.UNAUTHORIZED, reason, detail, _CHALLENGE)
