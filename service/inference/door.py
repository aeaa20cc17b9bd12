"""The outermost layer: who may pass, what is counted, and the headers that every answer carries."""

from typing import Final

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from service.inference.auth import Gatekeeper
from service.inference.metrics import InferenceMetrics
from service.web.headers import SafeSend

log = structlog.get_logger("laurel.inference")

OPEN_PAGES: Final = frozenset({"/health", "/health/live", "/health/ready", "/metrics"})
PAGES: Final = OPEN_PAGES | {"/predict", "/reload", "/info", "/schema", "/docs", "/openapi.json"}


class Door:
    """Wraps the whole application."""

    def __init__(
        self, app: ASGIApp, predict: ASGIApp, gatekeeper: Gatekeeper, metrics: InferenceMetrics
    ) -> None:
        self._app = app
        self._predict = predict
        self._gatekeeper = gatekeeper
        self._metrics = metrics

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
        refusal = None if scope["path"] in OPEN_PAGES else self._gatekeeper.refusal(scope)
        if refusal is None:
            is_hot = scope["path"] == "/predict" and scope["method"] == "POST"
            await (self._predict if is_hot else self._app)(scope, receive, send)
            return
        if scope["path"] == "/reload":
            tell_refused_reload(scope, refusal.reason)
        await refusal.response()(scope, receive, send)


def tell_refused_reload(scope: Scope, reason: str) -> None:
    """Write the audit line of a reload that was refused: who asked, and why not."""
    log.warning("reload_refused", reason=reason, client=(scope.get("client") or ("unknown",))[0])
