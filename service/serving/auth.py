"""Who may ask: a bearer token, compared in constant time."""

import hmac

from starlette.types import Scope

from service.runtime.web.credentials import bearer_of, unauthorized
from service.runtime.web.problems import ProblemDetails


class Gatekeeper:
    """Knows the token, or that there is none: then all is open but what needs one."""

    def __init__(self, token: str | None) -> None:
        self._expected = None if token is None else token.encode()

    @property
    def has_token(self) -> bool:
        """True when a token is configured."""
        return self._expected is not None

    def refusal(self, scope: Scope) -> ProblemDetails | None:
        """Why this request may not pass; None when it may."""
        if self._expected is None:
            return None
        sent = bearer_of(scope)
        if sent is None:
            return unauthorized("no_token", "this page requires a token: Authorization: Bearer …", "Bearer")
        if not hmac.compare_digest(sent, self._expected):
            detail = "the bearer token is not the configured one"
            return unauthorized("wrong_token", detail, "Bearer")
        return None
