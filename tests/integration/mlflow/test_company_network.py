"""MLflow behind https with a company's own CA: for the worker's client and for the children's alike."""

import asyncio
import os
import ssl
from asyncio import to_thread
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from domain.errors import Stop, TryLater
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.rest import MlflowRest
from service.adapters.mlflow.sync_client import SyncClient
from tests.harm.proxies import FaultProxy
from tests.harm.tls import Authority
from tests.harm.wire_formats import Http
from tests.worlds.servers import MlflowServer

HOST = "127.0.0.1"
USUAL = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
Ask = Callable[[MlflowAccess], Awaitable[object]]
Front = Callable[[ssl.SSLContext | None], Awaitable[FaultProxy]]


@pytest.fixture(autouse=True)
def _bare_environment(own_environment: MutableMapping[str, str]) -> None:
    """Whoever runs the tests may have a company's variables."""
    for name in USUAL:
        own_environment.pop(name, None)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The company's own."""
    return Authority(tmp_path)


@pytest.fixture
async def front(mlflow_server: MlflowServer) -> AsyncIterator[Front]:
    """Opens a way to the real server, with TLS or without."""
    address, opened = urlsplit(mlflow_server.tracking_uri), []

    async def open_front(tls: ssl.SSLContext | None) -> FaultProxy:
        proxy = FaultProxy(address.port or 0, Http(address.netloc), tls=tls)
        opened.append(proxy)
        await proxy.open_door()
        return proxy

    yield open_front
    for proxy in opened:
        await proxy.close_door()


async def by_the_worker(access: MlflowAccess) -> object:
    rest = MlflowRest(access)
    try:
        return await rest.get("experiments/get-by-name", experiment_name="Default")
    finally:
        await rest.close()


async def by_a_child(access: MlflowAccess) -> object:
    def ask() -> object:
        with SyncClient(access) as client:
            return client.get_json("experiments/get-by-name", experiment_name="Default")

    return await to_thread(ask)


ASKS = pytest.mark.parametrize("ask", [by_the_worker, by_a_child])
VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "MLFLOW_TRACKING_SERVER_CERT_PATH")


@ASKS
async def test_a_company_ca_is_trusted_by_its_setting_and_by_each_usual_variable(
    front: Front, authority: Authority, ask: Ask
) -> None:
    access = MlflowAccess((await front(authority.server(HOST))).url)
    assert await ask(replace(access, ca_file=str(authority.file)))
    for name in VARIABLES:
        os.environ[name] = str(authority.file)
        assert await ask(access), name
        del os.environ[name]
    with pytest.raises(TryLater) as refusal:
        await ask(access)
    assert "certificate verify failed: unable to get local issuer certificate" in refusal.value.message
    assert "MLFLOW__CA_FILE" in refusal.value.message
    assert refusal.value.reason == "mlflow_unavailable"


@ASKS
@pytest.mark.parametrize(
    ("name", "age", "said", "setting"),
    [
        ("mlflow.company", "new", "IP address mismatch", "MLFLOW_TRACKING_URI"),
        (HOST, "expired", "certificate has expired", "renew"),
    ],
    ids=["another name", "expired"],
)
async def test_a_certificate_that_is_not_good_is_named_by_its_fault(
    front: Front, authority: Authority, ask: Ask, name: str, age: str, said: str, setting: str
) -> None:
    proxy = await front(authority.server(name, expired=age == "expired"))
    with pytest.raises(TryLater) as refusal:
        await ask(MlflowAccess(proxy.url, ca_file=str(authority.file)))
    assert f"certificate verify failed: {said}" in refusal.value.message
    assert setting in refusal.value.message


@ASKS
async def test_the_wrong_protocol_is_told_both_ways(front: Front, authority: Authority, ask: Ask) -> None:
    plain, tls = await front(None), await front(authority.server(HOST))
    answering = await asyncio.start_server(_bad_request, HOST, 0)
    port = answering.sockets[0].getsockname()[1]
    with pytest.raises(TryLater) as to_plain:
        await ask(MlflowAccess(f"https://{HOST}:{port}", timeout_seconds=5))
    answering.close()
    assert "does not speak TLS" in to_plain.value.message
    with pytest.raises(TryLater) as to_tls:
        await ask(MlflowAccess(tls.url.replace("https", "http")))
    assert "begin MLFLOW_TRACKING_URI with https:" in to_tls.value.message
    assert await ask(MlflowAccess(plain.url))


async def _bad_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What every HTTP server says to a TLS hello."""
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
    await writer.drain()
    writer.close()


@ASKS
async def test_a_server_that_asks_who_we_are_is_shown_the_client_certificate(
    front: Front, authority: Authority, ask: Ask
) -> None:
    proxy, own = await front(authority.server(HOST, asks=True)), authority.certificate("laurel")
    access = MlflowAccess(proxy.url, ca_file=str(authority.file))
    assert await ask(replace(access, client_cert_file=str(own)))
    os.environ["MLFLOW_TRACKING_CLIENT_CERT_PATH"] = str(own)
    assert await ask(access)
    del os.environ["MLFLOW_TRACKING_CLIENT_CERT_PATH"]
    with pytest.raises(TryLater, match="MLFLOW__CLIENT_CERT_FILE"):
        await ask(access)


@ASKS
async def test_checks_are_not_switched_off(ask: Ask) -> None:
    os.environ["MLFLOW_TRACKING_INSECURE_TLS"] = "true"
    with pytest.raises(Stop, match="MLFLOW__CA_FILE") as stop:
        await ask(MlflowAccess(f"https://{HOST}:9"))
    assert stop.value.reason == "insecure_tls_refused"
