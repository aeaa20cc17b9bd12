"""The whole path in real containers, as a person brings it up: `make compose`.

Not among the tests that pytest collects by itself: it needs a Docker engine and builds an image.
"""

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import httpx
import pytest
from dotenv import dotenv_values

from tests.compose.composed import Composed, composed
from tests.kit.eventually import eventually

OURS = (
    "worker",
    "reload-listener",
    "api",
    "inference",
    "mlflow",
    "mlflow-schema",
    "topics",
    "example",
    "secrets",
)


@pytest.fixture(scope="module")
def world() -> Iterator[Composed]:
    with composed() as made:
        yield made


def documents(text: str) -> list[Any]:
    """Every JSON document of a stream."""
    found, place, decoder = [], 0, json.JSONDecoder()
    while place < len(text.rstrip()):
        document, place = decoder.raw_decode(text, place)
        found.append(document)
        place += len(text[place:]) - len(text[place:].lstrip())
    return found


def test_everything_is_well(world: Composed) -> None:
    findings = world.laurel_json("doctor")

    assert {finding["what"]: finding["found"] for finding in findings if not finding["well"]} == {}


def test_a_request_becomes_the_champion(world: Composed) -> None:
    asked = world.laurel_json("request", "--watch")

    assert asked["run"]["state"] == "COMPLETED"
    champion = world.laurel_json("champion")
    assert champion["alias_version"] == champion["generations"][0]["version"]
    assert champion["generations"][0]["run_id"] == asked["run"]["run_id"]


def test_a_request_comes_in_over_http(world: Composed) -> None:
    given = dotenv_values(stream=StringIO(world.compose("exec", "--no-TTY", "api", "cat", ".env")))
    token = {"Authorization": f"Bearer {(given['API__TOKENS'] or '').removeprefix('local:')}"}
    with httpx.Client(base_url=world.api_url, headers=token, trust_env=False, timeout=60) as client:
        asked = client.post("/training-requests", json={"model_version": 2})
        assert asked.status_code == httpx.codes.ACCEPTED
        told = client.get(f"{asked.headers['Location']}/events").text  # it ends when the run does
        shown = client.get(asked.headers["Location"]).json()

    assert "event: end" in told
    assert shown["state"] == "DECLINED"
    assert shown["verdict"]["reasons"]


def test_what_happened_is_announced(world: Composed) -> None:
    events = documents(world.laurel("watch", "--from-start", "--no-follow", "--json"))

    topics = {event["topic"] for event in events}
    assert {"split.completed", "model.evaluated", "model.promoted"} <= topics


def test_the_pages_are_published_to_this_machine_alone(world: Composed) -> None:
    published = [
        (binding["HostIp"], container["Name"])
        for container in world.containers()
        for bindings in (container["NetworkSettings"]["Ports"] or {}).values()
        for binding in bindings or ()
    ]

    assert len(published) == 4
    assert {address for address, _ in published} == {"127.0.0.1"}
    assert httpx.get(f"{world.mlflow_url}/health", trust_env=False).status_code == httpx.codes.OK


def test_our_containers_may_do_nothing_but_their_work(world: Composed) -> None:
    """The whole path ran as user 65532, on a read-only root, without a single capability."""
    for container in world.containers(*OURS):
        host = container["HostConfig"]
        assert container["Config"]["User"] == "65532:65532"
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert not host["CapAdd"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert not host["Privileged"]
    status = world.compose("exec", "--no-TTY", "worker", "cat", "/proc/1/status")
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert facts["Uid"].split() == ["65532"] * 4
    assert int(facts["CapEff"], 16) == int(facts["CapBnd"], 16) == 0
    assert facts["NoNewPrivs"] == "1"


async def test_every_inference_server_serves_the_champion(world: Composed) -> None:
    world.up("--scale", "inference=2")

    async def converged() -> Any:
        return world.laurel_json("status") if world.succeeds("worker", "laurel", "status") else None

    status = await eventually(converged, within=120)
    assert len(status["replicas"]) == 2
    assert {replica["version"] for replica in status["replicas"]} == {status["champion"]["version"]}


async def test_two_workers_share_the_requests(world: Composed) -> None:
    world.up("--scale", "worker=2")

    asked = [world.laurel_json("request", "--model-version", "2") for _ in range(6)]

    await eventually(lambda: ended(world, asked), within=120)
    logs = world.compose("logs", "--no-color", "worker").splitlines()
    workers = {line.split("|")[0].strip() for line in logs if '"event": "run_ended"' in line}
    assert workers == {"worker-1", "worker-2"}


async def test_what_killed_workers_had_in_hand_goes_on(world: Composed) -> None:
    asked = [world.laurel_json("request", "--model-version", "3") for _ in range(2)]
    world.compose("kill", "--signal", "SIGKILL", "worker")
    world.up("--scale", "worker=2")

    runs = await eventually(lambda: ended(world, asked), within=120)
    assert {run["state"] for run in runs} <= {"COMPLETED", "DECLINED"}
    generations = world.laurel_json("champion")["generations"]
    assert [entry["generation"] for entry in generations] == list(range(1, len(generations) + 1))


def test_a_worker_ends_in_its_grace_and_all_is_there_again(world: Composed) -> None:
    before = world.laurel_json("champion")
    world.compose("stop", "worker", "reload-listener")

    codes = {container["State"]["ExitCode"] for container in world.containers("worker", "reload-listener")}
    assert codes == {0}
    world.compose("down")
    world.up()
    assert world.laurel_json("champion") == before


def ended(world: Composed, asked: list[Any]) -> list[Any]:
    """The runs of these requests, once each has its one end."""
    identities = {request["identity"] for request in asked}
    runs = [run for run in world.laurel_json("runs", "--limit", "100") if run["identity"] in identities]
    ends = {"COMPLETED", "DECLINED", "REJECTED", "FAILED"}
    return runs if len(runs) == len(asked) and {run["state"] for run in runs} <= ends else []
