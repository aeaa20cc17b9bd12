"""Who may pass, how often, what is counted, and the headers that every answer carries."""

import re
import time
from typing import Final

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.callers import Callers
from service.api.metrics import ApiMetrics
from service.api.rates import Rate
from service.web.headers import SafeSend
from service.web.problems import Problem

log = structlog.get_logger("laurel.api")

DAG_PREFIX: Final = "/api/v1/"
OPEN_PAGES: Final = frozenset(
    {
        "/health",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/docs",
        "/openapi.json",
        f"{DAG_PREFIX}openapi.json",
        f"{DAG_PREFIX}health",
    }
)
_LONGEST_PATH: Final = 200
_ID_PLACES: Final = re.compile(r"(?<=^/training-requests/)[^/]+|(?<=/dags/)[^/]+|(?<=/dagRuns/)[^/]+")


class Door:
    """Wraps the whole application; `scope["state"]["caller"]` says who it is."""

    def __init__(self, app: ASGIApp, callers: Callers, rate: Rate, metrics: ApiMetrics) -> None:
        self._app = app
        self._callers = callers
        self._rate = rate
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        # An address that ends with a slash makes `//api/v1/…` of it, which orchestrators take too.
        scope["path"] = f"/{scope['path'].lstrip('/')}"
        began, sending = time.monotonic(), SafeSend(send)
        try:
            await self._pass(scope, receive, sending)
        finally:
            self._metrics.answered(scope, sending.status, time.monotonic() - began)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["path"] not in OPEN_PAGES:
                caller = self._caller(scope)
                scope.setdefault("state", {})["caller"] = caller
                await self._rate.count(caller)
        except Problem as refusal:
            client = (scope.get("client") or ("unknown",))[0]
            log.warning("refused", reason=refusal.reason, path=_shape(scope["path"]), client=client)
            await refusal.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _caller(self, scope: Scope) -> str:
        ask = self._callers.by_password if scope["path"].startswith(DAG_PREFIX) else self._callers.by_token
        return ask(scope)


def _shape(path: str) -> str:
    """The beginning of a path, without ids, so that nobody writes into the log what he likes."""
    return _ID_PLACES.sub("…", path)[:_LONGEST_PATH] if path.isprintable() else "…"
