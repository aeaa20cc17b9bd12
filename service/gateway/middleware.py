"""Who may pass, how often, what is counted, and the headers that every answer carries."""

import re
import time
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from service.gateway.callers import Caller, Callers
from service.gateway.gateway_metrics import ApiMetrics
from service.gateway.pages import Pages
from service.gateway.rates import Rate
from service.runtime.web.headers import SafeSend
from service.runtime.web.health import PROBES
from service.runtime.web.host_and_origin import Entrance
from service.runtime.web.methods import head_as_get
from service.runtime.web.problems import ProblemDetails

DAG_PREFIX: Final = "/api/v1/"
OPEN_PROBES: Final = PROBES | {f"{DAG_PREFIX}health"}
OPEN_PAGES: Final = OPEN_PROBES | {"/docs", "/openapi.json", f"{DAG_PREFIX}openapi.json"}
_LONGEST_PATH: Final = 200
_ID_PLACES: Final = re.compile(r"(?<=^/training-requests/)[^/]+|(?<=/dags/)[^/]+|(?<=/dagRuns/)[^/]+")


class GatewayMiddleware:
    """Wraps the whole application; `scope["state"]["caller"]` says who it is."""

    def __init__(
        self,
        app: ASGIApp,
        pages: Pages,
        callers: Callers,
        rate: Rate,
        metrics: ApiMetrics,
        entrance: Entrance,
    ) -> None:
        self._app = app
        self._pages = pages
        self._callers = callers
        self._rate = rate
        self._metrics = metrics
        self._entrance = entrance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        # An address that ends with a slash makes `//api/v1/…` of it, which orchestrators take too.
        scope["path"] = f"/{scope['path'].lstrip('/')}"
        began, sending, method = time.monotonic(), SafeSend(send), scope["method"]
        scope, out = head_as_get(scope, sending)
        try:
            await self._pass(scope, receive, out)
        finally:
            page = self._pages.page_of(scope)
            self._metrics.answered(method, page, sending.status, time.monotonic() - began)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._judge(scope)
        except ProblemDetails as refusal:
            answer = self._pages.absent(scope) or refusal
            if answer is refusal:
                self._entrance.tell(scope, "refused", refusal.reason, path=_shape(scope["path"]))
            await answer.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _judge(self, scope: Scope) -> None:
        """Let the call pass, or raise Problem."""
        refusal = self._entrance.refusal(scope)
        if refusal is not None:
            raise refusal
        if scope["path"] not in OPEN_PAGES:
            caller = self._caller(scope)
            scope.setdefault("state", {})["caller"] = caller
            await self._rate.count(caller.name)

    def _caller(self, scope: Scope) -> Caller:
        ask = self._callers.by_password if scope["path"].startswith(DAG_PREFIX) else self._callers.by_token
        return ask(scope)


def _shape(path: str) -> str:
    """The beginning of a path, without ids, so that nobody writes into the log what he likes."""
    return _ID_PLACES.sub("…", path)[:_LONGEST_PATH] if path.isprintable() else "…"
