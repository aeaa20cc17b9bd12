"""R05: replicas behind https: a certificate counts for the name in the URL, or no token is sent."""

import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest

from domain.convergence import ReplicaObservation
from domain.errors import Stop
from service.adapters.http.inference_servers import HttpInferenceServers
from service.rollout.replica_clients import open_servers
from tests.harm.tls import Authority
from tests.integration.reload.conftest import MakeStandIn
from tests.worlds.reload import ReloadWorld
from tests.worlds.stand_in_server import TOKEN

NAME = "inference.internal"


async def here(_: str, __: int) -> Sequence[str]:
    return ["127.0.0.1"]


async def look(port: int, trusted: ssl.SSLContext) -> ReplicaObservation:
    servers = HttpInferenceServers([f"https://{NAME}:{port}"], TOKEN, verify=trusted, resolve=here)
    try:
        (replica,) = await servers.replicas()
        return await servers.look(replica, seconds=5)
    finally:
        await servers.stop()


async def test_the_certificate_is_judged_by_the_name_in_the_url(
    stand_in: MakeStandIn, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    trusted = ssl.create_default_context(cafile=str(authority.file))
    right = await stand_in(tls=authority.server(NAME), version=5, generation=3)
    wrong = await stand_in(tls=authority.server("another.internal"), version=5, generation=3)

    assert (await look(right.port, trusted)).served is not None
    refused = await look(wrong.port, trusted)
    assert refused.problem is not None
    assert refused.problem.reason == "unreachable"
    assert not wrong.heard


async def test_an_authority_that_nobody_named_is_not_trusted(stand_in: MakeStandIn, tmp_path: Path) -> None:
    server = await stand_in(tls=Authority(tmp_path).server(NAME), version=5, generation=3)
    assert (await look(server.port, ssl.create_default_context())).served is None
    assert not server.heard


async def test_the_settings_name_the_authority(
    world: ReloadWorld, stand_in: MakeStandIn, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    server = await stand_in(tls=authority.server(NAME))
    world.resolve = here
    world.serve_from([f"https://{NAME}:{server.port}"], RELOAD__CA_FILE=str(authority.file))
    await world.promote(6)
    async with world.listener():
        await world.converged()
    assert server.history == [(1, 6)]


async def test_a_file_without_certificates_is_refused_at_the_start(
    world: ReloadWorld, tmp_path: Path
) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("empty.pem", "missing.pem"):
        with pytest.raises(Stop, match="RELOAD__CA_FILE") as stop:
            async with open_servers(world.settings(RELOAD__CA_FILE=str(tmp_path / name))):
                pass
        assert stop.value.reason == "ca_unusable"
