"""A whole lifecycle where MLflow is behind https with a company's CA and a proxy that answers late.

40 s: a worker with its children and an inference server, both as they are deployed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from config.inference_settings import InferenceSettings
from config.setting_groups import MlflowSettings
from domain.errors import Stop
from domain.lifecycle import State
from service.cli.doctor import examine
from service.cli.findings import Finding
from service.gateway.root import open_api
from service.lifecycle.root import open_worker
from service.local.servers.ports import free_port
from service.local.servers.role import EmbeddedRole
from service.notifications.root import open_notifier
from service.rollout.root import open_listener
from service.runtime.metrics import Metrics
from service.serving.root import open_inference
from tests.e2e.deployment import Deployment, worker_here
from tests.harm.proxies import FaultProxy, err, late
from tests.harm.tls import Authority
from tests.harm.wire_formats import Http, http
from tests.worlds.servers import MlflowServer

USUAL = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
PUT_MODEL = http("PUT", "model.skops")
HTML = "<html><title>413 Request Entity Too Large</title></html>"


@pytest.fixture
def deployment(small: Deployment) -> Deployment:
    """What is carried does not matter here."""
    return small


@pytest.fixture
def authority(tmp_path: Path, own_environment: MutableMapping[str, str]) -> Authority:
    """The company's own; whoever runs the tests may have another company's variables."""
    for name in USUAL:
        own_environment.pop(name, None)
    return Authority(tmp_path)


@pytest.fixture
async def front(mlflow_server: MlflowServer, authority: Authority) -> AsyncIterator[FaultProxy]:
    """The only way to MLflow."""
    address = urlsplit(mlflow_server.tracking_uri)
    tls = authority.server("127.0.0.1")
    async with FaultProxy(address.port or 0, Http(address.netloc), tls=tls) as proxy:
        yield proxy


async def test_a_model_is_trained_promoted_and_served_although_the_proxy_answers_late(
    deployment: Deployment, front: FaultProxy, authority: Authority, tmp_path: Path
) -> None:
    """The PUT of the model is answered long after its time; it has arrived, and is sent once."""
    ca_file = str(authority.file)
    deployment.tracking_uri = front.url
    deployment.more = {"MLFLOW__CA_FILE": ca_file, "MLFLOW__TIMEOUT_SECONDS": "3"}
    put = front.add(late(120, PUT_MODEL))
    async with worker_here(deployment):
        run = await deployment.carried({"model_version": 101})
        assert (run.state, run.failure) == (State.COMPLETED, None)
        assert put.hits == 1
        front.clear()
        refused = front.add(err(413, HTML, PUT_MODEL, content_type="text/html"))
        run = await deployment.carried({"model_version": 121})
        assert run.failure is not None
        assert (run.state, run.failure.reason, refused.hits) == (State.FAILED, "upload_refused", 1)
        assert "model.skops" in run.failure.message
    await _served(deployment, tmp_path / "inference")


async def _served(deployment: Deployment, folder: Path) -> None:
    """Wait in another thread for an inference server that has the champion: the proxy works in this one."""
    port = free_port()
    environment = {**deployment.environment, "INFERENCE__PORT": str(port)}
    server = EmbeddedRole("inference", folder, port, environment)
    server.start()
    try:
        await asyncio.to_thread(server.wait_ready, 60)
    finally:
        await asyncio.to_thread(server.stop, grace=30)


async def test_the_doctor_names_what_is_wrong_with_the_certificate_and_the_setting(
    deployment: Deployment, front: FaultProxy, authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "nothing.pem").write_bytes(b"")
    there = {"MLFLOW_TRACKING_URI": front.url}
    known = await _mlflow(deployment, **there, MLFLOW__CA_FILE=str(authority.file))
    unknown = await _mlflow(deployment, **there)
    empty = await _mlflow(deployment, **there, MLFLOW__CA_FILE=str(tmp_path / "nothing.pem"))
    assert known.ok, known
    assert "certificate verify failed: unable to get local issuer certificate" in unknown.found
    assert "MLFLOW__CA_FILE" in unknown.fix
    assert "MLFLOW__CA_FILE: the file is empty" in empty.found


async def _mlflow(deployment: Deployment, **more: str) -> Finding:
    findings = await examine(deployment.settings(**more))
    (found,) = (one for one in findings if one.what == "mlflow")
    return found


ROLES: dict[str, Callable[..., Any]] = {
    "worker": open_worker,
    "reload-listener": open_listener,
    "notifier": open_notifier,
    "api": open_api,
}


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_with_a_file_that_holds_no_certificate_does_not_start(
    deployment: Deployment, tmp_path: Path, role: str
) -> None:
    """Whatever else is away: nothing is waited for first."""
    away = "postgresql://laurel@127.0.0.1:9/laurel"
    for name in ("MLFLOW__CA_FILE", "RELOAD__CA_FILE"):
        more = {"DATABASE_URL": away, name: str(tmp_path / "missing.pem")}
        settings = deployment.settings(**more)
        opened = ROLES[role](settings) if role == "api" else ROLES[role](settings, Metrics())
        with pytest.raises(Stop, match=f"{name}: the file does not exist"):
            await opened.__aenter__()


async def test_an_inference_server_with_a_file_that_holds_no_certificate_does_not_start(
    tmp_path: Path,
) -> None:
    settings = InferenceSettings(
        mlflow_tracking_uri="http://127.0.0.1:9",
        mlflow=MlflowSettings(ca_file=tmp_path / "missing.pem"),
    )
    with pytest.raises(Stop, match="MLFLOW__CA_FILE: the file does not exist"):
        await open_inference(settings).__aenter__()
