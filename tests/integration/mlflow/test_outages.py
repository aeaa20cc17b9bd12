"""M03, P05: silence, storms and answers that are not MLflow's; an error is never "no champion"."""

import asyncio
import json
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from domain.errors import LaurelError, NeverRetry, TryLater
from domain.models import LoggedModel
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.errors import ForeignAnswer
from service.adapters.mlflow.experiment_tracker import MlflowExperimentTracker
from service.adapters.mlflow.model_registry import MlflowModelRegistry
from service.adapters.mlflow.rest import MlflowRest
from service.adapters.mlflow.sync_client import SyncClient
from service.runtime.clock import SystemClock
from tests.harm.proxies import Fault, FaultProxy, cut, err, hole, lost, refuse, slow
from tests.harm.wire_formats import http
from tests.kit.eventually import eventually
from tests.kit.mlflow_record import MlflowRecord

HTML = "<!doctype html><title>Sign in</title>"
MODEL = '{"registered_model": {"name": "NAME", "aliases": [{"alias": "prod", "version": "1"}]}}'
NOT_ALLOWED = '{"error_code": "PERMISSION_DENIED", "message": "Permission denied"}'
MALFORMED = '{"error_code": "INVALID_PARAMETER_VALUE", "message": "Registered model alias prod not found."}'
OTHER = '{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "No such workspace"}'
NO_ROUTE = '{"error_code": "ENDPOINT_NOT_FOUND", "message": "NAME"}'

WAIT, NEVER = TryLater, NeverRetry
BAD_READS = {
    "400 of MLflow": (err(400, MALFORMED), NEVER),
    "400 of a proxy": (err(400, HTML, content_type="text/html"), WAIT),
    "401 of a proxy": (err(401, "Unauthorized", content_type="text/plain"), WAIT),
    "403 of MLflow": (err(403, NOT_ALLOWED), NEVER),
    "403 of its host check": (err(403, "Invalid Host header", content_type="text/plain"), WAIT),
    "404 of a wrong route": (err(404, HTML, content_type="text/html"), WAIT),
    "404 in another's JSON": (err(404, '{"detail": "NAME Not Found"}'), WAIT),
    "404 of a missing endpoint": (err(404, NO_ROUTE), WAIT),
    "404 about something else": (err(404, OTHER), NEVER),
    "429": (err(429, '{"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "slow down"}'), WAIT),
    "500": (err(500, "Internal Server Error", content_type="text/plain"), WAIT),
    "500 in JSON": (err(500, '{"error_code": "INTERNAL_ERROR", "message": "NAME"}'), WAIT),
    "502": (err(502, HTML, content_type="text/html"), WAIT),
    "503": (err(503, '{"error_code": "TEMPORARILY_UNAVAILABLE", "message": "NAME"}'), WAIT),
    "302": (err(302, HTML, content_type="text/html"), WAIT),
    "HTML with 200": (err(200, HTML, content_type="text/html"), WAIT),
    "nothing with 200": (err(200, ""), WAIT),
    "an empty object": (err(200, "{}"), WAIT),
    "a list": (err(200, "[]"), WAIT),
    "a null model": (err(200, '{"registered_model": null}'), WAIT),
    "another model": (err(200, MODEL.replace("NAME", "another")), WAIT),
    "a version that is no number": (err(200, MODEL.replace('"1"', '"one"')), WAIT),
    "an alias without a version": (err(200, MODEL.replace(', "version": "1"', "")), WAIT),
    "half of a JSON": (err(200, MODEL[:40]), WAIT),
    "half of an answer": (cut(), WAIT),
    "a lost answer": (lost(), WAIT),
    "silence": (hole(), WAIT),
    "a refused connection": (refuse(), WAIT),
}

FOREIGN = {
    "400 of a proxy",
    "401 of a proxy",
    "404 of a wrong route",
    "404 in another's JSON",
    "500",
    "502",
    "302",
    "HTML with 200",
    "nothing with 200",
    "a list",
    "half of a JSON",
}


@pytest.mark.parametrize("bad", BAD_READS)
async def test_an_alias_that_cannot_be_read_is_never_no_champion(
    proxy: FaultProxy,
    tracker: MlflowExperimentTracker,
    registry: MlflowModelRegistry,
    run_id: str,
    model_name: str,
    bad: str,
) -> None:
    await _promote(tracker, registry, run_id, model_name)
    template, reaction = BAD_READS[bad]
    fault = proxy.add(_about(template, model_name))
    await proxy.cut_connections()
    with pytest.raises(LaurelError) as refusal:
        await registry.alias_version(model_name)
    assert type(refusal.value) is reaction
    assert fault.hits == 1
    if reaction is WAIT:
        code = "mlflow_foreign_answer" if bad in FOREIGN else "mlflow_unavailable"
        assert (refusal.value.reason, refusal.value.facts["waiting_on"]) == (code, "mlflow")
    proxy.clear()
    assert await registry.alias_version(model_name) == 1


async def test_a_version_that_cannot_be_read_is_never_missing(
    proxy: FaultProxy, registry: MlflowModelRegistry, model_name: str
) -> None:
    fault = proxy.add(err(404, HTML, content_type="text/html"))
    with pytest.raises(TryLater):
        await registry.version(model_name, 1)
    assert fault.hits == 1


async def test_a_server_that_is_gone_is_waited_for_and_found_again(
    proxy: FaultProxy, tracker: MlflowExperimentTracker, run_id: str
) -> None:
    await proxy.close_door()
    with pytest.raises(TryLater) as refusal:
        await tracker.open_run(run_id, "price", {})
    assert refusal.value.waiting_on == "mlflow"
    await proxy.open_door()
    assert (await tracker.open_run(run_id, "price", {})).mlflow_run_id


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_a_storm_of_errors_costs_no_more_calls_than_the_step_makes(
    proxy: FaultProxy, tracker: MlflowExperimentTracker, record: MlflowRecord, run_id: str, status: int
) -> None:
    """Nothing repeats itself: a create that failed is looked for once, and then the runner waits."""
    experiment_id = (await tracker.open_run(f"before-{run_id}", "price", {})).experiment_id
    proxy.add(err(status, "", http("POST", "/runs/create")))
    before = proxy.requests
    with pytest.raises(TryLater):
        await tracker.open_run(run_id, "price", {})
    assert proxy.requests - before == 3  # look, create, look back
    assert await record.runs_of(experiment_id, run_id) == []


async def test_an_experiment_that_was_deleted_for_good_is_looked_up_anew(
    proxy: FaultProxy, tracker: MlflowExperimentTracker, run_id: str
) -> None:
    """`mlflow gc` takes even what could be restored; the id that the worker remembers leads nowhere."""
    await tracker.open_run(f"before-{run_id}", "price", {})
    gone = json.dumps({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "No Experiment with id=7 exists"})
    fault = proxy.add(err(404, gone, http("POST", "/runs/create"), times=1))
    assert (await tracker.open_run(run_id, "price", {})).mlflow_run_id
    assert fault.hits == 1


async def test_a_call_that_is_never_answered_ends_by_its_time_and_blocks_nobody(
    proxy: FaultProxy, tracker: MlflowExperimentTracker, run_id: str
) -> None:
    opened = await tracker.open_run(run_id, "price", {})
    fault = proxy.add(hole(http("POST", "/runs/log-batch")))
    heartbeats, started = 0, time.monotonic()
    call = asyncio.create_task(tracker.log(opened.mlflow_run_id, params={"a": 1}))
    while not call.done():
        heartbeats += 1
        await asyncio.sleep(0.02)
    with pytest.raises(TryLater):
        await call
    assert fault.hits == 1
    assert time.monotonic() - started < 20
    assert heartbeats > 10


async def test_an_answer_that_comes_as_its_caller_leaves_leaves_no_connection(
    access: MlflowAccess, rest: MlflowRest, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, go_on, ask = threading.Event(), threading.Event(), SyncClient.ask

    def ask_slowly(door: SyncClient, *what: Any) -> ForeignAnswer:
        answer = ask(door, *what)
        answered.set()
        go_on.wait()
        return answer

    monkeypatch.setattr(SyncClient, "ask", ask_slowly)
    call = asyncio.create_task(rest.ping())
    await asyncio.to_thread(answered.wait)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert _connections_to(access)
    go_on.set()
    await eventually(lambda: not _connections_to(access))


def _connections_to(access: MlflowAccess) -> list[int]:
    """The open sockets of this process that go there."""
    port = urlsplit(access.url).port
    return [one.fd for one in psutil.Process().net_connections() if one.raddr and one.raddr.port == port]


async def test_an_answer_that_drips_is_not_waited_for(
    proxy: FaultProxy, tracker: MlflowExperimentTracker, run_id: str
) -> None:
    """The time is for the whole call, not for each byte."""
    opened = await tracker.open_run(run_id, "price", {})
    fault = proxy.add(slow(30, http("GET", "/runs/get")))
    proxy.add(err(400, MALFORMED, http("POST", "/runs/log-batch")))
    started = time.monotonic()
    with pytest.raises(TryLater):
        await tracker.log(opened.mlflow_run_id, params={"a": 1})
    assert fault.hits == 1
    assert time.monotonic() - started < 20


async def test_a_secret_stands_in_no_error(proxy: FaultProxy) -> None:
    canary = "canary-8d1f"
    access = MlflowAccess(proxy.url, username="laurel", password=canary, token=canary, timeout_seconds=1)
    rest = MlflowRest(access)
    proxy.add(err(401, f"you sent {canary}", content_type="text/plain"))
    with pytest.raises(TryLater) as refusal:
        await MlflowExperimentTracker(rest, "faults", SystemClock()).open_run("x", "price", {})
    await rest.close()
    shown = f"{refusal.value!r} {refusal.value.message} {refusal.value.facts} {refusal.value.__cause__!r}"
    assert canary not in f"{shown} {access!r}"


async def test_calls_are_counted_by_endpoint(proxy: FaultProxy, access: MlflowAccess) -> None:
    seen: list[tuple[str, str]] = []
    rest = MlflowRest(access, observe=lambda endpoint, outcome, _: seen.append((endpoint, outcome)))
    await rest.ping()
    proxy.add(err(500, ""))
    with pytest.raises(TryLater):
        await rest.ping()
    await rest.close()
    assert rest.calls == {"POST experiments/search": 2}
    assert seen == [("POST experiments/search", "answered"), ("POST experiments/search", "failed")]


def _about(template: Fault, model_name: str) -> Fault:
    """The fault of a table, fresh and about this model: same length as the name, so the head stays true."""
    head, _, body = template.answer.decode().partition("\r\n\r\n")
    content = body.replace("NAME", model_name).encode()
    length = len(body.encode())
    named = head.replace(f"content-length: {length}", f"content-length: {len(content)}").encode()
    answer = named + b"\r\n\r\n" + content if template.answer else b""
    return Fault(template.mode, template.match, template.times, template.seconds, answer)


async def _promote(
    tracker: MlflowExperimentTracker, registry: MlflowModelRegistry, run_id: str, model_name: str
) -> LoggedModel:
    opened = await tracker.open_run(run_id, "price", {})
    model = await tracker.create_model(opened, {}, {})
    await registry.register(model_name, model, opened.mlflow_run_id, {})
    await registry.set_alias(model_name, 1)
    return model
