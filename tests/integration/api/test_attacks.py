"""Callers that mean no good, or do what nobody foresaw.

Its cost: bodies and floods of the sizes that once did harm, each at a door of its own.
"""

import asyncio
import signal

import httpx
import pytest

from service.adapters.postgres.database_roles import grant_to_worker
from service.adapters.postgres.run_store import PostgresRunStore
from tests.harm.floods import ENDLESS, flood
from tests.integration.postgres_admin import as_user, ask, proxied
from tests.kit.eventually import eventually
from tests.worlds.api import PASSWORD, TOKEN, USER, ApiWorld, basic, bearer, door, ready, stored

PATH = "/training-requests"
DAG_RUNS = "/api/v1/dags/train_pipeline_dag/dagRuns"
VARIABLES = "/api/v1/variables"
ROLE = "a_door_without_ownership"
HEAD = (
    f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer {TOKEN}\r\n"
)


async def test_a_body_is_bounded_also_when_it_does_not_say_how_long_it_is(
    client: httpx.AsyncClient, world: ApiWorld
) -> None:
    """All of it in one piece, so that it is there before the application looks."""
    body = b'{"reason": "a"' + b" " * 70_000 + b"}"
    head = f"{HEAD}Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n"
    whole = head.encode() + body + b"\r\n0\r\n\r\n"

    assert (await _raw(client, whole)).startswith(b"HTTP/1.1 413")
    assert await world.in_kafka() == []


async def test_a_request_whose_length_is_said_twice_is_refused(client: httpx.AsyncClient) -> None:
    for again in ("Transfer-Encoding: chunked", "Content-Length: 3"):
        answer = await _raw(client, f"{HEAD}Content-Length: 2\r\n{again}\r\n\r\n{{}}".encode())
        assert answer.startswith(b"HTTP/1.1 400"), again


async def test_a_key_that_would_be_no_address_is_refused(client: httpx.AsyncClient) -> None:
    for key in ("", '""', '"', "..", "a%2Fb", "a" * 201, "é", "-a"):
        answer = await client.post(PATH, json={}, headers={b"Idempotency-Key": key.encode()})
        assert (answer.status_code, answer.json()["reason"]) == (422, "bad_id"), key


async def test_an_id_with_a_line_end_is_refused(client: httpx.AsyncClient, world: ApiWorld) -> None:
    """It would be taken in, and then could not be shown."""
    answer = await client.post(PATH, json={"request_id": "abc\n"})

    assert (answer.status_code, answer.json()["reason"]) == (422, "bad_id")
    assert await world.in_kafka() == []


async def test_a_key_that_is_another_runs_id_hides_nothing(
    client: httpx.AsyncClient, world: ApiWorld, store: PostgresRunStore
) -> None:
    await client.post(PATH, json={"reason": "one"})
    [run] = await stored(store, world)

    second = await client.post(PATH, json={"reason": "two"}, headers={"Idempotency-Key": run.run_id})
    dag_run = {"dag_run_id": run.run_id}
    third = await client.post(DAG_RUNS, json=dag_run, headers=basic(USER, PASSWORD))
    shown = await client.get(f"{PATH}/{run.run_id}")

    assert (second.status_code, second.json()["reason"]) == (422, "id_conflict")
    assert third.status_code == httpx.codes.CONFLICT
    assert shown.json()["payload"]["reason"] == "one"
    assert len(await world.in_kafka()) == 1


async def test_a_call_that_another_site_makes_a_browser_send_changes_nothing(
    client: httpx.AsyncClient, world: ApiWorld
) -> None:
    own = f"http://{client.base_url.netloc.decode()}"
    foreign: list[dict[str, str]] = [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": own.replace("http", "https") + "0"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": own},
    ]
    pages = ((PATH, bearer(TOKEN)), (DAG_RUNS, basic(USER, PASSWORD)), (VARIABLES, basic(USER, PASSWORD)))
    for path, credential in pages:
        for said in foreign:
            refused = await client.post(path, json={}, headers=credential | said)
            assert (refused.status_code, refused.json()["reason"]) == (403, "cross_site"), (path, said)
        for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
            typed = {"Content-Type": kind} if kind else {}
            refused = await client.post(path, content=b"{}", headers=credential | typed)
            assert (refused.status_code, refused.json()["reason"]) == (415, "not_json"), (path, kind)
    assert await world.in_kafka() == []
    allowed = await client.post(PATH, json={}, headers={"Origin": own, "Sec-Fetch-Site": "same-origin"})
    assert allowed.status_code == httpx.codes.ACCEPTED


async def test_a_page_that_does_not_exist_is_told_so_whoever_asks(client: httpx.AsyncClient) -> None:
    for path in ("/nowhere", "/api/v2/dags", "/api/v1/nowhere", "/api/v2", "/training-requests/a/b/c"):
        for headers in ({"Authorization": ""}, bearer("wrong"), basic(USER, PASSWORD), bearer(TOKEN)):
            for method in ("GET", "POST", "HEAD"):
                answer = await client.request(method, path, headers=headers)
                assert answer.status_code == httpx.codes.NOT_FOUND, (method, path, headers)
    assert "/api/v1" in (await client.get("/api/v2/dags")).json()["detail"]


async def test_head_is_answered_wherever_get_is(client: httpx.AsyncClient) -> None:
    request_id = (await client.post(PATH, json={})).json()["request_id"]
    one = f"{PATH}/{request_id}"
    dags = basic(USER, PASSWORD)
    for path in ("/health", "/health/live", "/health/ready", "/metrics", "/docs", PATH, one, "/api/v1/dags"):
        headers = dags if path.startswith("/api/v1") else bearer(TOKEN)
        head, got = await client.head(path, headers=headers), await client.get(path, headers=headers)
        assert (head.status_code, head.content) == (got.status_code, b""), path
        assert head.headers["content-type"] == got.headers["content-type"]
    stream = await client.head(f"{one}/events")  # which itself would go on
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert (await client.head(PATH, headers={"Authorization": ""})).status_code == httpx.codes.UNAUTHORIZED


async def test_a_body_of_nothing_but_faults_is_answered_with_the_first_of_them(
    client: httpx.AsyncClient,
) -> None:
    for path, credential in ((PATH, bearer(TOKEN)), (DAG_RUNS, basic(USER, PASSWORD))):
        body = {f"field_{number}": 1 for number in range(3000)}
        answer = await client.post(path, json=body, headers=credential)
        assert answer.status_code in {400, 422}
        assert len(answer.json()["errors"]) == 100
        assert "and 2900 more faults" in answer.json()["detail"]


@pytest.mark.parametrize("kind", ENDLESS)
async def test_what_has_no_end_is_refused_before_it_takes_memory(
    client: httpx.AsyncClient, kind: str
) -> None:
    taken, _ = await flood(client.base_url.port or 0, kind)
    assert taken < 10 << 20


async def test_a_time_without_its_offset_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get(PATH, params={"since": "2026-01-31T06:00:00"})
    assert (answer.status_code, answer.json()["reason"]) == (422, "bad_parameter")


async def test_a_method_that_a_page_does_not_have_is_told_which_it_has(client: httpx.AsyncClient) -> None:
    for method in ("OPTIONS", "DELETE"):
        answer = await client.request(method, PATH)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, POST"), method


async def test_nobody_writes_pages_into_the_log(
    client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    await client.get("/" + "x" * 50_000, headers={"Authorization": ""})
    await client.get(f"{PATH}/of-a-caller%0d%0aforged", headers={"Authorization": ""})

    logged = "".join(capsys.readouterr())
    assert "refused" in logged
    assert len(logged) < 2_000
    assert "forged" not in logged


async def test_what_is_stored_is_what_was_asked_for_and_a_repeat_of_it_is_no_conflict(
    client: httpx.AsyncClient, world: ApiWorld, store: PostgresRunStore
) -> None:
    reason = "ü\\u0000\\ud800 \U0001f3e0\u2028"
    body = f'{{"reason": "{reason}", "model_version": "7", "requested_by": null, "model_name": ""}}'
    key = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    first, again = [await client.post(PATH, content=body.encode(), headers=key) for _ in range(2)]

    assert (first.status_code, again.status_code) == (202, 202)
    [run] = await stored(store, world)
    assert run.payload == first.json()["payload"] == again.json()["payload"]
    assert run.payload["requested_by"] is None


async def test_a_door_that_owns_nothing_in_the_database_does_all_of_it(
    world: ApiWorld, gateway_url: str
) -> None:
    ask(gateway_url, f"CREATE ROLE {ROLE} LOGIN PASSWORD 'of-the-door'")
    grant_to_worker(gateway_url, ROLE)
    world.database_url = as_user(gateway_url, ROLE, "of-the-door")
    dags, variable = basic(USER, PASSWORD), {"key": "k", "value": "1"}
    async with door(world) as client:
        await ready(client)
        asked = [await client.post(PATH, json={}) for _ in range(2)]
        listed = await client.get(PATH)
        kept = await client.post("/api/v1/variables", json=variable, headers=dags)
        changed = await client.patch("/api/v1/variables/k", json=variable, headers=dags)
        forgotten = await client.delete("/api/v1/variables/k", headers=dags)
    ask(gateway_url, f"DROP OWNED BY {ROLE}")
    ask(gateway_url, f"DROP ROLE {ROLE}")

    assert [answer.status_code for answer in asked] == [202, 202]
    assert listed.json()["total"] == len(asked)
    assert [answer.is_success for answer in (kept, changed, forgotten)] == [True] * 3, forgotten.text


async def test_a_stream_waits_an_outage_out_and_ends_with_the_server(world: ApiWorld) -> None:
    async with proxied(world.database_url) as (proxy, url):
        world.database_url = url
        async with door(world, API__SEND_SECONDS="1") as client:
            await ready(client)
            events = (await client.post(PATH, json={})).json()["links"]["events"]
            async with client.stream("GET", events) as stream:
                lines = stream.aiter_lines()
                await anext(lines)
                await proxy.close_door()
                away = await client.get(PATH)
                await proxy.open_door()
                await eventually(lambda: _is_found(client))
                signal.raise_signal(signal.SIGTERM)
                async with asyncio.timeout(10):  # the server's own grace is longer
                    rest = [line async for line in lines]
    assert away.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert not any("end" in line for line in rest)


async def test_a_caller_that_goes_away_frees_its_place(world: ApiWorld) -> None:
    async with door(world, API__MAX_STREAMS="1") as client:
        await ready(client)
        events = (await client.post(PATH, json={})).json()["links"]["events"]

        async def begins() -> bool:
            async with client.stream("GET", events) as stream:
                return stream.is_success

        assert await begins()
        assert await eventually(begins)


async def test_no_answer_and_no_log_tells_a_credential(
    client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    told = []
    sent = (bearer(TOKEN), basic(USER, PASSWORD), bearer(f"{TOKEN}x"), basic(USER, f"{PASSWORD}x"))
    for path in (PATH, "/nowhere", "/metrics", "/openapi.json", "/docs", "/api/v1/dags"):
        for headers in sent:
            answer = await client.get(path, headers=headers)
            told.append(f"{answer.text} {answer.headers}")
    logged = "".join(capsys.readouterr())

    assert "refused" in logged
    secrets = (TOKEN, PASSWORD, basic(USER, PASSWORD)["Authorization"].removeprefix("Basic "))
    assert [secret for secret in secrets for text in (*told, logged) if secret in text] == []


async def _is_found(client: httpx.AsyncClient) -> bool:
    return (await client.get(PATH)).is_success


async def _raw(client: httpx.AsyncClient, request: bytes) -> bytes:
    """Send bytes as they are; return the beginning of the answer."""
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    writer.write(request)
    async with asyncio.timeout(10):
        answer = await reader.readline()
    writer.close()
    return answer
