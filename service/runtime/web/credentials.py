"""What a caller sent to say who it is."""

import base64
import binascii
from http import HTTPStatus

from starlette.types import Scope

from service.runtime.web.problems import ProblemDetails


def bearer_of(scope: Scope) -> bytes | None:
    """The bearer token that came; None for none, for another scheme, and for two of them."""
    return _after(scope, b"bearer")


def basic_of(scope: Scope) -> tuple[bytes, bytes] | None:
    """User and password of HTTP Basic (RFC 7617); None for none, for another scheme, and for two of them."""
    sent = _after(scope, b"basic")
    if sent is None:
        return None
    try:
        user, mark, password = base64.b64decode(sent, validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if mark else None


def unauthorized(reason: str, detail: str, challenge: str) -> ProblemDetails:
    """Ask for a credential, or for another one."""
    headers = {"WWW-Authenticate": f'{challenge} realm="laurel"'}
    return ProblemDetails(HTTPStatus.UNAUTHORIZED, reason, detail, headers)


def _after(scope: Scope, wanted: bytes) -> bytes | None:
    sent = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(sent) != 1:
        return None
    scheme, _, rest = bytes(sent[0]).partition(b" ")
    return rest.strip() or None if scheme.lower() == wanted else None
