"""Answers that say no: problem details as in RFC 9457, with a reason code for machines."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request, Response
from starlette.exceptions import HTTPException

MEDIA_TYPE: Final = "application/problem+json"


class Problem(Exception):
    """A request that is refused. `more` are further members of the answer, such as `errors`."""

    def __init__(
        self, status: int, reason: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any
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
    assert isinstance(problem, Problem)  # noqa: S101 - registered for it alone
    return problem.response()


async def answer_http_error(_: Request, error: Exception) -> Response:
    """Answer what the router refused: an unknown page, a method that a page does not have."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    status = HTTPStatus(error.status_code)
    reason = status.name.lower()
    return Problem(status, reason, _SAYS.get(status, status.phrase), error.headers).response()


async def answer_defect(_: Request, __: Exception) -> Response:
    """Answer what nobody foresaw; the log tells it whole, the caller learns nothing of it."""
    return Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected", "something unexpected happened; the log says what"
    ).response()


_SAYS: Final = {
    HTTPStatus.NOT_FOUND: "there is no such page; /openapi.json lists all",
    HTTPStatus.METHOD_NOT_ALLOWED: "this page does not take this method",
}
