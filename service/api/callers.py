"""Who may call: bearer tokens for Laurel's own pages, HTTP Basic for those of the orchestrator's API."""

import hmac
from collections.abc import Mapping
from http import HTTPStatus

from starlette.types import Scope

from service.web.credentials import basic_of, bearer_of, unauthorized
from service.web.problems import Problem


class Callers:
    """Knows every credential; a door without one is closed."""

    def __init__(self, tokens: Mapping[str, str], basic: tuple[str, str] | None) -> None:
        self._tokens = {name: token.encode() for name, token in tokens.items()}
        self._basic = None if basic is None else (basic[0].encode(), basic[1].encode())

    def by_token(self, scope: Scope) -> str:
        """The name of the token that came. Raises Problem. Every token is compared, in constant time."""
        if not self._tokens:
            raise _closed("API__TOKENS")
        sent = bearer_of(scope)
        if sent is None:
            raise unauthorized("no_token", "this page asks for a token: Authorization: Bearer …", "Bearer")
        names = [name for name, token in self._tokens.items() if hmac.compare_digest(sent, token)]
        if not names:
            raise unauthorized("wrong_token", "the bearer token is none of those configured here", "Bearer")
        return names[0]

    def by_password(self, scope: Scope) -> str:
        """The user of HTTP Basic. Raises Problem. Both halves are compared, in constant time."""
        if self._basic is None:
            raise _closed("API__BASIC_USER and API__BASIC_PASSWORD")
        sent = basic_of(scope)
        if sent is None:
            raise unauthorized("no_password", "this page asks for HTTP Basic", "Basic")
        fits = [hmac.compare_digest(ours, theirs) for ours, theirs in zip(self._basic, sent, strict=True)]
        if not all(fits):
            raise unauthorized("wrong_password", "user and password are not those configured here", "Basic")
        return self._basic[0].decode()


def _closed(settings: str) -> Problem:
    return Problem(
        HTTPStatus.FORBIDDEN, "door_closed", f"no credential is configured for this door; set {settings}"
    )
