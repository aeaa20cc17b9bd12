"""R02: what is lost or cut once between listener and replica is tried again, and is no divergence."""

from collections.abc import Callable

import pytest

from domain.events import InferenceDiverged, InferenceReloaded
from tests.harm.proxies import Fault, FaultProxy, cut, cut_request, err, lost, refuse
from tests.harm.wire_formats import Http, http
from tests.integration.reload.conftest import MakeStandIn
from tests.worlds.reload import ReloadWorld

RELOAD, INFO = http("POST", "/reload"), http("GET", "/info")
ONCE: dict[str, Callable[[], Fault]] = {
    "no connection": lambda: refuse(1),
    "the answer to a reload is lost": lambda: lost(RELOAD, 1),
    "the answer to a reload is cut": lambda: cut(RELOAD, 1),
    "half a request to reload": lambda: cut_request(RELOAD, 1),
    "a proxy's error": lambda: err(502, "<html>", RELOAD, 1, content_type="text/html"),
    "the answer to a look is lost": lambda: lost(INFO, 1),
    "the answer to a look is cut": lambda: cut(INFO, 1),
    "an error instead of a look": lambda: err(500, "{}", INFO, 1),
}


@pytest.mark.parametrize("kind", ONCE)
async def test_a_fault_that_strikes_once_is_survived_in_the_same_round(
    world: ReloadWorld, stand_in: MakeStandIn, kind: str
) -> None:
    replica = await stand_in()
    async with FaultProxy(replica.port, Http()) as proxy, world.relay():
        world.serve_from([proxy.url], RELOAD__POLL_SECONDS="3600", RELOAD__TRY_SECONDS="4", RELOAD__TRIES="5")
        fault = proxy.add(ONCE[kind]())
        await world.promote(7)
        async with world.listener():
            (said,) = await world.told(InferenceReloaded.topic, 1)
    assert fault.hits == 1
    assert (said["replica"], said["generation"]) == (proxy.url, 1)
    assert {generation for generation, _ in replica.history} == {1}
    assert not await world.events(InferenceDiverged.topic)
