"""R02, R05: replicas that are killed, hung, slow, lying or not there: said once, shown truly, and healed.

Its cost: time limits that must run out. Of two ways to give no answer in time one is left to `make soak`: a
replica that hangs is here twice.
"""

import signal
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack

import pytest

from domain.convergence import ReplicaState
from domain.events import InferenceDiverged, InferenceReloaded
from service.adapters.http.bounded import Unresolved
from tests.integration.reload.conftest import MakeStandIn
from tests.integration.reload.processes import stand_in_process
from tests.kit.eventually import eventually
from tests.worlds.reload import ReloadWorld
from tests.worlds.stand_in_server import TOKEN

BAD: dict[str, tuple[dict[str, object], str, ReplicaState]] = {
    "wrong token": ({"token": "another"}, "unauthorized", ReplicaState.UNKNOWN),
    "garbage": ({"behave": "garbage"}, "bad_answer", ReplicaState.UNKNOWN),
    "an answer of 10 GB": ({"behave": "flood"}, "bad_answer", ReplicaState.UNKNOWN),
    "a redirect": ({"behave": "redirect"}, "bad_answer", ReplicaState.UNKNOWN),
    "a slow drip": ({"behave": "drip"}, "no_answer", ReplicaState.UNREACHABLE),
    "never an answer": ({"behave": "hang"}, "no_answer", ReplicaState.UNREACHABLE),
    "a refusal": ({"behave": "refuse", "version": 6, "generation": 1}, "reload_refused", ReplicaState.BEHIND),
    "a lie": ({"follows": False, "version": 6, "generation": 1}, "not_served", ReplicaState.BEHIND),
    "a later generation": ({"version": 9, "generation": 9}, "conflict", ReplicaState.AHEAD),
}


KINDS = [pytest.param(kind, marks=pytest.mark.soak if kind == "never an answer" else ()) for kind in BAD]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_bad_replica_is_said_once_and_shown_as_it_is_and_healed_afterwards(
    world: ReloadWorld, stand_in: MakeStandIn, kind: str
) -> None:
    facts, reason, state = BAD[kind]
    other = await stand_in()
    good, bad = await stand_in(), await stand_in(**facts, redirect_to=f"{other.url}/reload")
    world.serve_from([good.url, bad.url])
    await world.promote(6)
    await world.promote(7)
    async with world.relay(), world.listener() as listener:
        (said,) = await world.told(InferenceDiverged.topic, 1)
        assert (said["replica"], said["reason"], said["generation"]) == (bad.url, reason, 2)
        assert (said["served_version"], said["served_generation"]) == (
            facts.get("version"),
            facts.get("generation"),
        )
        status = await world.status()
        assert [row.state for row in status.replicas] == [ReplicaState.SERVING, state]
        assert (status.replicas[1].error or "").startswith(reason)
        looked = len(bad.heard)
        await eventually(lambda: len(bad.heard) > looked + 2)  # more rounds say nothing new

        bad.token, bad.behave, bad.follows = good.token, "well", True
        if bad.generation == 9:
            bad.version = bad.generation = None
        await world.converged()
        reloaded = await world.told(InferenceReloaded.topic, 2)
    assert {fact["replica"] for fact in reloaded} == {good.url, bad.url}
    assert len(await world.events(InferenceDiverged.topic)) == 1
    assert not other.heard
    assert TOKEN not in str(said)
    assert f'laurel_reload_failures_total{{reason="{reason}"}}' in listener.figures()


async def test_what_a_replica_refuses_stands_in_the_table_while_it_serves_on(
    world: ReloadWorld, stand_in: MakeStandIn
) -> None:
    bad = await stand_in(behave="refuse", version=6, generation=1)
    world.serve_from([bad.url])
    await world.promote(6)
    await world.promote(7)
    async with world.relay(), world.listener():
        await world.told(InferenceDiverged.topic, 1)
    (row,) = (await world.status()).replicas
    assert (row.version, row.generation, row.lag) == (6, 1, 1)
    assert row.error == "reload_refused: status 500: model_digest_mismatch: the files differ"


async def test_half_of_the_replicas_are_killed_or_hang_and_the_others_do_not_wait_for_them(
    world: ReloadWorld, stand_in: MakeStandIn
) -> None:
    async with AsyncExitStack() as stack:
        good = [await stand_in() for _ in range(2)]
        hung, hung_port = await stack.enter_async_context(stand_in_process())
        killed, killed_port = await stack.enter_async_context(stand_in_process())
        urls = [f"http://127.0.0.1:{port}" for port in (hung_port, killed_port)]
        world.serve_from([*(one.url for one in good), *urls])
        await stack.enter_async_context(world.relay())
        await stack.enter_async_context(world.listener())
        await world.promote(6)
        await world.converged()

        hung.send_signal(signal.SIGSTOP)
        killed.kill()
        await killed.wait()
        await world.promote(7)
        # A look between the two may have missed the killed one under the first generation, too.
        said = await world.told(InferenceDiverged.topic, 2, generation=2)
        status = await world.status()
        states = [row.state for row in status.replicas]
        assert states == [
            ReplicaState.SERVING,
            ReplicaState.SERVING,
            ReplicaState.UNREACHABLE,
            ReplicaState.UNREACHABLE,
        ]
        assert {(fact["replica"], fact["reason"]) for fact in said} == {
            (urls[0], "no_answer"),
            (urls[1], "unreachable"),
        }

        hung.send_signal(signal.SIGCONT)
        await stack.enter_async_context(stand_in_process(killed_port))
        await world.converged()
        reloaded = await world.told(InferenceReloaded.topic, 8)
    assert {(fact["replica"], fact["generation"]) for fact in reloaded} == {
        (url, generation) for url in [*(one.url for one in good), *urls] for generation in (1, 2)
    }


async def test_every_address_behind_a_name_and_ipv6_and_a_name_without_any(
    world: ReloadWorld, stand_in: MakeStandIn
) -> None:
    """An address joins, a name comes to nothing, and comes back: each is a row by its own name."""
    one = await stand_in()
    two = await stand_in(host="127.0.0.2", port=one.port)
    six = await stand_in(host="::1", port=one.port)
    addresses = {"pods": ["127.0.0.1"], "gone": []}

    async def resolve(host: str, _: int) -> Sequence[str]:
        if not addresses[host]:
            raise Unresolved("Name or service not known")
        return addresses[host]

    world.resolve = resolve
    pods, gone = f"http://pods:{one.port}", f"http://gone:{one.port}"
    world.serve_from([pods, gone])
    async with world.relay(), world.listener():
        await world.promote(6)
        (said,) = await world.told(InferenceDiverged.topic, 1)
        assert (said["replica"], said["address"], said["reason"]) == (gone, None, "unresolved")
        status = await world.status()
        assert [(row.address, row.state) for row in status.replicas] == [
            ("127.0.0.1", ReplicaState.SERVING),
            (None, ReplicaState.UNREACHABLE),
        ]
        assert "gone has no address" in (status.replicas[1].error or "")

        addresses["pods"], addresses["gone"] = ["127.0.0.1", "127.0.0.2"], ["::1"]
        await world.converged()
        reloaded = await world.told(InferenceReloaded.topic, 3)
    assert [one.history, two.history, six.history] == [[(1, 6)]] * 3
    assert {fact["replica"] for fact in reloaded} == {f"{pods}#127.0.0.1", f"{pods}#127.0.0.2", f"{gone}#::1"}


def test_this_machine_has_the_loopback_of_ipv6() -> None:
    with socket.socket(socket.AF_INET6) as six:
        six.bind(("::1", 0))
