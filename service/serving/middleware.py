"""The outermost layer: who may pass, what is counted, and the headers that every answer carries.

A bearer token is compared in constant time.
"""

import hmac
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from service.runtime.web.credentials import bearer_of, unauthorized
from service.runtime.web.headers import SafeSend
from service.runtime.web.health import PROBES
from service.runtime.web.host_and_origin import Entrance
from service.runtime.web.methods import head_as_get
from service.runtime.web.problems import ProblemDetails, no_such_page
from service.serving.serving_metrics import InferenceMetrics


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


OPEN_PAGES: Final = PROBES
PAGES: Final = OPEN_PAGES | {"/predict", "/reload", "/info", "/schema", "/docs", "/openapi.json"}


class ServingMiddleware:
    """Wraps the whole application."""

    def __init__(
        self,
        app: ASGIApp,
        predict: ASGIApp,
        gatekeeper: Gatekeeper,
        metrics: InferenceMetrics,
        entrance: Entrance,
    ) -> None:
        self._app = app
        self._predict = predict
        self._gatekeeper = gatekeeper
        self._metrics = metrics
        self._entrance = entrance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        path, method = scope["path"], scope["method"]
        page = path if path in PAGES else "other"
        began, sending = self._metrics.begin(), SafeSend(send)
        try:
            await self._pass(scope, receive, sending)
        finally:
            self._metrics.end(method, page, sending.status, began)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope)
        if refusal is not None:
            if refusal.status != HTTPStatus.NOT_FOUND:
                self._tell(scope, refusal.reason)
            await refusal.response()(scope, receive, send)
        elif scope["path"] == "/predict" and scope["method"] == "POST":
            await self._predict(scope, receive, send)
        else:
            scope, send = head_as_get(scope, send)
            await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> ProblemDetails | None:
        path = scope["path"]
        if path not in PAGES:
            return no_such_page("; /openapi.json lists all pages")
        refusal = self._entrance.refusal(scope)
        if refusal is not None or path in OPEN_PAGES:
            return refusal
        refusal = self._gatekeeper.refusal(scope)
        if path == "/docs" and refusal is not None and refusal.reason == "no_token":
            return None  # a browser has no way to send one; the page then says nothing of the model
        return refusal

    def _tell(self, scope: Scope, reason: str) -> None:
        """Write down who was refused what; of a reload this is its audit line."""
        path = scope["path"]
        event = "reload_refused" if path == "/reload" else "refused"
        page = {} if path == "/reload" else {"path": path}
        self._entrance.tell(scope, event, reason, **page)
