"""The pages that every role has for orchestrators, balancers and Prometheus.

Who is taken out of service tells the load balancer first, and still answers everything.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from time import monotonic
from typing import Final, Protocol

from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.runtime.web.problems import answer_defect, answer_http_error

_SAYS: Final = {"drain": "this process is shutting down; send new calls to another one"}


class Drain:
    """Whether this server is on its way out."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.is_on = False

    def begin(self) -> None:
        """From now on readiness says no, and each answer is the last one of its connection."""
        self.is_on = True

    def missing(self) -> Mapping[str, str]:
        """Why this server is not ready, for as long as that is the reason."""
        return _SAYS if self.is_on else {}


PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"
_MOST_RENDERED: Final = 10  # times a second
PROBES: Final = frozenset({"/health", "/health/live", "/health/ready", "/metrics"})


class Liveness(BaseModel):
    """Whether a process is alive."""

    live: bool = Field(description="False when a part of the process has died.")
    dead: list[str] = Field([], description="The parts that have died; absent of a role that cannot tell.")


class Readying(BaseModel):
    """Whether calls are to be sent to a process."""

    ready: bool = Field(description="True when nothing is missing.")
    missing: dict[str, str] = Field(description="Why it cannot do its work now, by what is missing.")
    dead: list[str] = Field([], description="The parts that have died; absent of a role that cannot tell.")


class Ready(Protocol):
    """Knows what a process cannot be without."""

    async def missing(self) -> Mapping[str, str]:
        """Why it cannot do its work now, by what is missing."""


class Figures:
    """The text that Prometheus reads, made once a second at most, for the first callers in it.

    It is made in a thread: hundreds of series take their time.
    """

    def __init__(self, render: Callable[[], bytes]) -> None:
        self._render = render
        self._left = 0
        self._until = 0.0
        self._text = b""

    async def text(self) -> bytes:
        """What holds now, or did some moments ago if many ask."""
        now = monotonic()
        if now >= self._until:
            self._left, self._until = _MOST_RENDERED, now + 1.0
        if self._left or not self._text:
            self._left = max(self._left - 1, 0)
            self._text = await asyncio.to_thread(self._render)
        return self._text


class Health:
    """Makes the pages; `dead` names the parts that have died, where a role can tell."""

    def __init__(
        self,
        readiness: Ready,
        metrics: Callable[[], bytes],
        *,
        drain: Drain | None = None,
        dead: Callable[[], list[str]] | None = None,
    ) -> None:
        self._readiness = readiness
        self._figures = Figures(metrics)
        self._drain = drain or Drain()
        self._dead = dead

    async def live(self, _: Request) -> Response:
        """Answer whether it is alive."""
        dead = self._dead_by_name()
        return as_json(Liveness(live=not any(dead.values()), **dead), unless=any(dead.values()))

    async def ready(self, _: Request) -> Response:
        """Answer whether calls are to be sent to it."""
        missing, dead = await self.missing(), self._dead_by_name()
        is_ready = not missing and not any(dead.values())
        return as_json(Readying(ready=is_ready, missing=missing, **dead), unless=not is_ready)

    async def figures(self, _: Request) -> Response:
        """Answer in Prometheus' text format."""
        return Response(await self._figures.text(), media_type=PROMETHEUS)

    async def missing(self) -> dict[str, str]:
        """What is missing, and that it is being ended."""
        return {**await self._readiness.missing(), **self._drain.missing()}

    def _dead_by_name(self) -> dict[str, list[str]]:
        return {} if self._dead is None else {"dead": self._dead()}


def health_app(health: Health) -> Starlette:
    """Make the application of a role that has no other pages."""
    pages = {"/health/live": health.live, "/health/ready": health.ready, "/metrics": health.figures}
    return Starlette(
        routes=[Route(path, page) for path, page in pages.items()],
        exception_handlers={HTTPException: answer_http_error, Exception: answer_defect},
    )


def as_json(content: BaseModel | Mapping[str, object], *, unless: bool = False) -> Response:
    """An answer for machines and people: 200 unless something is wrong. Of a model, what was given."""
    status = HTTPStatus.SERVICE_UNAVAILABLE if unless else HTTPStatus.OK
    shown = content.model_dump(mode="json", exclude_unset=True) if isinstance(content, BaseModel) else content
    return Response(json_bytes(shown), status, media_type="application/json")


def json_bytes(value: object) -> bytes:
    """A small answer as it is written."""
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"
