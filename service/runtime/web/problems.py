"""Answers that say no: problem details as in RFC 9457, with a reason code for machines."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

MEDIA_TYPE: Final = "application/problem+json"


class ProblemDetails(Exception):
    """A request that is refused. `more` are further members of the answer, such as `errors`."""

    def __init__(
        self, status: int, reason: str, detail: str, headers: Mapping[str, str] | None = None, **more: object
    ) -> None:
        super().__init__(detail)
        self.status = int(status)
        self.reason = reason
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = more

    def response(self) -> Response:
        """The answer."""
        content = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "reason": self.reason,
            **self.more,
        }
        body = json.dumps(content, ensure_ascii=False).encode()
        return Response(body, self.status, headers=self.headers, media_type=MEDIA_TYPE)


async def answer_problem(_: Request, problem: Exception) -> Response:
    """Answer what a route refused."""
    assert isinstance(problem, ProblemDetails)  # noqa: S101 - registered for it alone
    return problem.response()


def no_such_page(hint: str = "") -> ProblemDetails:
    """Say that there is none."""
    return ProblemDetails(HTTPStatus.NOT_FOUND, "not_found", f"there is no such page{hint}")


async def answer_http_error(_: Request, error: Exception) -> Response:
    """Answer what the router refused: an unknown page, a method that a page does not have."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    status = HTTPStatus(error.status_code)
    if status is HTTPStatus.NOT_FOUND:
        return no_such_page().response()
    reason, detail = _SAYS.get(status, (status.name.lower(), status.phrase))
    return ProblemDetails(status, reason, detail, error.headers).response()


async def answer_defect(_: Request, __: Exception) -> Response:
    """Answer what nobody foresaw; the log tells it whole, the caller learns nothing of it."""
    return ProblemDetails(
        HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected", "something unexpected happened; the log says what"
    ).response()


_SAYS: Final = {
    HTTPStatus.METHOD_NOT_ALLOWED: ("method_not_allowed", "this page does not support this method")
}
