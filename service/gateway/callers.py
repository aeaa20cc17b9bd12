"""Who may call: bearer tokens for Laurel's own pages, HTTP Basic for those of the orchestrator's API."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import Request
from starlette.types import Scope

from domain.roles import Role
from service.runtime.web.credentials import basic_of, bearer_of, unauthorized
from service.runtime.web.problems import ProblemDetails


@dataclass(frozen=True)
class Caller:
    """Who calls, by the name of the credential, and what it may do beyond reading."""

    name: str
    roles: tuple[Role, ...]
    setting: str

    def require(self, role: Role) -> None:
        """Raise Problem 403 `role_missing` unless the caller has the role."""
        if role not in self.roles:
            has = " and ".join(self.roles) or "no role"
            detail = f"this needs the role {role}, and {self.name!r} has {has}; {self.setting} gives roles"
            raise ProblemDetails(HTTPStatus.FORBIDDEN, "role_missing", detail)


class Callers:
    """Knows every credential; an API without one is closed."""

    def __init__(
        self,
        tokens: Mapping[str, str],
        roles: Mapping[str, tuple[Role, ...]],
        basic: tuple[str, str] | None,
        basic_roles: tuple[Role, ...],
    ) -> None:
        self._tokens = {name: token.encode() for name, token in tokens.items()}
        self._roles = roles
        self._basic = None if basic is None else (basic[0].encode(), basic[1].encode())
        self._basic_roles = basic_roles

    def by_token(self, scope: Scope) -> Caller:
        """Whose token came. Raises Problem. Every token is compared, in constant time."""
        if not self._tokens:
            raise _closed("API__TOKENS")
        sent = bearer_of(scope)
        if sent is None:
            raise unauthorized("no_token", "this page requires a token: Authorization: Bearer …", "Bearer")
        names = [name for name, token in self._tokens.items() if hmac.compare_digest(sent, token)]
        if not names:
            raise unauthorized(
                "wrong_token", "the bearer token is not one of those configured here", "Bearer"
            )
        return Caller(names[0], self._roles[names[0]], "API__TOKENS (name/ask+operate:token)")

    def by_password(self, scope: Scope) -> Caller:
        """The user of HTTP Basic. Raises Problem. Both halves are compared, in constant time."""
        if self._basic is None:
            raise _closed("API__BASIC_USER and API__BASIC_PASSWORD")
        sent = basic_of(scope)
        if sent is None:
            raise unauthorized("no_password", "this page requires HTTP Basic", "Basic")
        fits = [hmac.compare_digest(ours, theirs) for ours, theirs in zip(self._basic, sent, strict=True)]
        if not all(fits):
            raise unauthorized("wrong_password", "user and password are not the configured ones", "Basic")
        return Caller(self._basic[0].decode(), self._basic_roles, "API__BASIC_ROLES")


def caller_of(request: Request, role: Role) -> str:
    """The name of who calls. Raises Problem 403 for one without the role."""
    caller: Caller = request.state.caller
    caller.require(role)
    return caller.name


def _closed(settings: str) -> ProblemDetails:
    return ProblemDetails(
        HTTPStatus.FORBIDDEN, "door_closed", f"no credential is configured for these pages; set {settings}"
    )
