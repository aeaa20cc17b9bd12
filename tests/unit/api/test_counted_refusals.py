"""A refused call counts for the page that it was for, and nobody's path becomes a label."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from unittest.mock import Mock

import httpx
import pytest
import structlog

from service.gateway.app import GatewayParts, build_app
from service.gateway.callers import Callers
from service.gateway.dag.routes import dag_routes
from service.gateway.gateway_metrics import ApiMetrics
from service.gateway.rates import Rate
from service.gateway.routes_history import history_routes
from service.gateway.routes_requests import request_routes
from service.runtime.health import Readiness
from service.runtime.web.health import Drain
from service.runtime.web.host_and_origin import Entrance

NOBODY = Mock()  # no call gets as far as to the requests
TOKEN = "a-token-of-the-tests"  # noqa: S105 - theirs
KNOWN = {"Authorization": f"Bearer {TOKEN}", "Host": "door"}
_SERIES = re.compile(r"laurel_api_requests_total\{(.*)\} (\S+)")


@asynccontextmanager
async def opened(per_minute: int = 100) -> AsyncIterator[tuple[httpx.AsyncClient, ApiMetrics]]:
    metrics = ApiMetrics("price")
    app = build_app(
        GatewayParts(
            requests=request_routes(NOBODY),
            history=history_routes(NOBODY),
            dags=dag_routes(NOBODY),
            callers=Callers({"tests": TOKEN}, {"tests": ()}, None, ()),
            calls=Rate(per_minute, "calls"),
            metrics=metrics,
            readiness=Readiness({}),
            entrance=Entrance(structlog.get_logger("tests"), hosts=("door",)),
            drain=Drain(),
            cors_origins=(),
        )
    )
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
        yield client, metrics


def counts(metrics: ApiMetrics) -> dict[tuple[str, str, int], float]:
    """Each series of requests, by method, page and status."""
    found = {}
    for labels, count in _SERIES.findall(metrics.render().decode()):
        said = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        found[said["method"], said["page"], int(said["status"])] = float(count)
    return found


ONE = "/training-requests/{request_id}"


@pytest.mark.parametrize(
    ("method", "path", "headers", "counted"),
    [
        ("GET", "/training-requests", {}, ("GET", "/training-requests", 401)),
        ("HEAD", "/training-requests", {}, ("HEAD", "/training-requests", 401)),
        ("GET", "/training-requests/any-id", {}, ("GET", ONE, 401)),
        ("GET", "/api/v1/dags", {}, ("GET", "/api/v1/dags", 403)),
        ("POST", "/training-requests", KNOWN, ("POST", "/training-requests", 403)),
        ("POST", "/training-requests", KNOWN | {"Origin": "http://e"}, ("POST", "/training-requests", 403)),
        ("GET", "/training-requests", {"Host": "another"}, ("GET", "/training-requests", 421)),
        ("DELETE", "/training-requests", KNOWN, ("DELETE", "/training-requests", 405)),
        ("BREW", "/training-requests", KNOWN, ("other", "/training-requests", 405)),
        ("BREW", "/coffee/pot-1", KNOWN, ("other", "other", 404)),
        ("GET", "/coffee/pot-1", {}, ("other", "other", 404)),
    ],
)
async def test_a_refusal_counts_for_the_page_that_was_asked_for(
    method: str, path: str, headers: dict[str, str], counted: tuple[str, str, int]
) -> None:
    async with opened() as (client, metrics):
        answer = await client.request(method, path, headers=headers)
        found = {series: count for series, count in counts(metrics).items() if count}
    assert answer.status_code == counted[2]
    assert found == {counted: 1}


async def test_a_call_too_many_counts_for_its_page() -> None:
    async with opened(per_minute=1) as (client, metrics):
        for _ in range(2):
            await client.get("/nothing-there", headers=KNOWN)
            await client.post("/training-requests", headers=KNOWN)
        assert counts(metrics)["POST", "/training-requests", 429] > 0


async def test_what_a_page_can_refuse_begins_at_zero() -> None:
    async with opened() as (_, metrics):
        found = counts(metrics)
    for status in (400, 401, 403, 408, 413, 415, 421, 422, 429, 500, 503):
        assert found["POST", "/training-requests", status] == 0
    for status in (401, 403, 404, 421):
        assert found["GET", ONE, status] == 0
