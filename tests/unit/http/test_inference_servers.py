"""Inference servers over HTTP: bounded, honest about failures, and the token goes nowhere else."""

import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest

from domain.convergence import Problem, ReplicaObservation, Served
from service.adapters.http.bounded import Answer, Resolve, Unresolved, system_addresses
from service.adapters.http.inference_servers import (
    HttpInferenceServers,
    number_in,
    observation_of,
    problem_of_reload,
)
from tests.worlds.stand_in_server import StandIn

TOKEN = "canary-token"  # noqa: S105 - of the stand-ins
Make = Callable[..., Awaitable[StandIn]]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    made: list[StandIn] = []

    async def of(**facts: object) -> StandIn:
        made.append(await StandIn(**({"token": TOKEN} | facts)).start())  # type: ignore[arg-type]
        return made[-1]

    yield of
    for server in made:
        await server.stop()


async def reload(url: str, *, seconds: float = 5.0, token: str | None = TOKEN) -> Problem | None:
    """Ask one server for generation 3, version 5."""
    servers = HttpInferenceServers([url], token)
    try:
        (replica,) = await servers.replicas()
        return await servers.reload(replica, 3, 5, seconds=seconds)
    finally:
        await servers.stop()


async def look(
    url: str, *, seconds: float = 5.0, resolve: Resolve = system_addresses
) -> list[ReplicaObservation]:
    """What every address behind a URL says."""
    servers = HttpInferenceServers([url], TOKEN, resolve=resolve)
    try:
        return [await servers.look(one, seconds=seconds) for one in await servers.replicas()]
    finally:
        await servers.stop()


async def test_a_reload_says_which_generation_is_meant_and_carries_the_token(make: Make) -> None:
    server = await make()
    assert await reload(server.url + "/") is None
    ((page, headers, _),) = server.heard
    assert page == "POST /reload"
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["accept-encoding"] == "identity"
    assert server.reloads == [{"generation": 3, "version": 5}]


async def test_a_server_that_knows_no_generation_is_seen_by_its_version(make: Make) -> None:
    server = await make(knows_generations=False)
    assert await reload(server.url) is None
    assert await look(server.url) == [ReplicaObservation(served=Served(version=5, run_id="r"))]


async def test_a_redirect_is_not_followed_so_the_token_stays_here(make: Make) -> None:
    other = await make()
    server = await make(behave="redirect", redirect_to=f"{other.url}/reload")
    problem = await reload(server.url)
    assert problem is not None
    assert (problem.reason, problem.detail) == ("bad_answer", "status 307")
    assert not other.heard


@pytest.mark.usefixtures("own_environment")
async def test_a_proxy_in_the_environment_is_not_used(make: Make) -> None:
    proxy, server = await make(), await make()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        os.environ[name] = proxy.url
    assert await reload(server.url) is None
    assert not proxy.heard


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        ("flood", "bad_answer"),
        ("garbage", "bad_answer"),
        ("drip", "no_answer"),
        ("hang", "no_answer"),
        ("refuse", "reload_refused"),
        ("unloadable", "unloadable_model"),
    ],
)
async def test_whatever_is_answered_is_over_in_time_and_has_a_reason(
    make: Make, behave: str, reason: str
) -> None:
    server = await make(behave=behave)
    problem = await reload(server.url, seconds=0.3)
    assert problem is not None
    assert problem.reason == reason


async def test_a_wrong_token_is_told_apart_from_a_server_that_is_down(make: Make) -> None:
    server = await make()
    wrong, down = await reload(server.url, token="other"), await reload("http://127.0.0.1:1")  # noqa: S106
    assert wrong is not None
    assert down is not None
    assert (wrong.reason, down.reason) == ("unauthorized", "unreachable")
    assert "canary" not in f"{wrong} {down}"


async def test_every_address_behind_a_name_is_a_replica_and_is_asked_under_that_name(make: Make) -> None:
    one = await make(version=5, generation=3)
    two = await make(version=6, generation=4, host="127.0.0.2", port=one.port)

    async def both(host: str, port: int) -> Sequence[str]:
        assert (host, port) == ("inference.internal", one.port)
        return ["127.0.0.1", "127.0.0.2"]

    observations = await look(f"http://inference.internal:{one.port}", resolve=both)

    assert [observation.served.generation for observation in observations if observation.served] == [3, 4]
    for server in (one, two):
        assert server.heard[0][1]["host"] == f"inference.internal:{one.port}"


async def test_a_name_without_an_address_is_a_replica_with_its_problem() -> None:
    async def nothing(_: str, __: int) -> Sequence[str]:
        raise Unresolved("Name or service not known")

    (observation,) = await look("http://nowhere.internal:8000", resolve=nothing)
    assert observation.problem is not None
    assert observation.problem.reason == "unresolved"
    assert "nowhere.internal has no address: Name or service not known" in observation.problem.detail


async def test_while_the_resolver_is_away_the_last_addresses_are_kept() -> None:
    answers: list[Sequence[str] | Unresolved] = [
        Unresolved("Temporary failure", passing=True),
        ["10.0.0.3", "10.0.0.4"],
        Unresolved("Temporary failure", passing=True),
        Unresolved("Name or service not known"),
    ]

    async def next_answer(_: str, __: int) -> Sequence[str]:
        answer = answers.pop(0)
        if isinstance(answer, Unresolved):
            raise answer
        return answer

    servers = HttpInferenceServers(["http://pods:1"], TOKEN, resolve=next_answer)
    seen = [[one.address for one in await servers.replicas()] for _ in range(4)]
    await servers.stop()
    assert seen == [[None], ["10.0.0.3", "10.0.0.4"], ["10.0.0.3", "10.0.0.4"], [None]]


async def test_the_systems_resolver_gives_each_address_once_and_says_why_there_is_none() -> None:
    assert "127.0.0.1" in await system_addresses("localhost", 80)
    with pytest.raises(Unresolved):
        await system_addresses("a..b", 80)
    with pytest.raises(Unresolved):
        await system_addresses("x" * 70, 80)


async def test_an_address_of_the_sixth_version_is_reached(make: Make) -> None:
    server = await make(host="::1", version=5, generation=3)
    assert await look(server.url) == [ReplicaObservation(served=Served(version=5, generation=3, run_id="r"))]
    assert server.heard[0][1]["host"] == f"[::1]:{server.port}"


async def test_something_that_answers_anything_answers(make: Make) -> None:
    for server, answers in ((await make(token="other"), True), (await make(behave="hang"), False)):  # noqa: S106
        servers = HttpInferenceServers([server.url], TOKEN)
        (replica,) = await servers.replicas()
        assert (await servers.answers(replica, seconds=0.3) is None) == answers
        await servers.stop()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b"[" * 60_000,
        b'{"status": "busy"}',
        b'{"status": 1}',
        b"\xff",
        b"1" * 9999,
    ],
)
def test_what_does_not_say_that_it_reloaded_did_not(body: bytes) -> None:
    problem = problem_of_reload(Answer(200, body))
    assert problem is not None
    assert problem.reason == "bad_answer"


@pytest.mark.parametrize("body", [b'{"status": "reloaded"}', b'{"status": "already_served"}'])
def test_having_nothing_to_do_is_as_good_as_a_reload(body: bytes) -> None:
    assert problem_of_reload(Answer(200, body)) is None


@pytest.mark.parametrize(
    "value", [True, 0, -1, "0", "-1", "1e3", "٣", 1.0, 2**63, "9" * 30, None, [], "seven"]
)
def test_no_number_is_read_into_what_is_none(value: object) -> None:
    assert number_in(value) is None


@pytest.mark.parametrize("body", [b'{"model_version": "seven"}', b'{"model_version": [1]}', b"{}"])
def test_an_answer_that_names_no_version_says_nothing(body: bytes) -> None:
    observation = observation_of(Answer(200, body))
    assert (observation.served, observation.problem and observation.problem.reason) == (None, "bad_answer")


def test_a_server_without_a_model_is_told_apart_from_one_that_is_away() -> None:
    observation = observation_of(
        Answer(503, b'{"model_name": "price", "stale": false, "problem": "no alias\\u001b[2J"}')
    )
    assert observation.served == Served(version=None)
    assert observation.problem is not None
    assert (observation.problem.reason, observation.problem.detail) == ("no_model", "no alias [2J")
    assert observation_of(Answer(503, b"<html>")).served is None


async def test_a_server_that_quotes_the_token_does_not_bring_it_into_the_report() -> None:
    body = b'{"detail": "canary-token is not good enough"}'
    servers = HttpInferenceServers([], TOKEN)
    problem = servers._without_token(problem_of_reload(Answer(500, body)))
    assert problem is not None
    assert problem.detail == "status 500: *** is not good enough"


def test_the_stand_ins_second_address_is_loopback_here() -> None:
    """What the tests above need of this machine."""
    with socket.socket() as one:
        one.bind(("127.0.0.2", 0))
