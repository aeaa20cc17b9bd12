"""The token is MLflow's: whatever says that files are at another server, that server never hears of it."""

import asyncio
import os
from asyncio import to_thread
from collections.abc import AsyncIterator, MutableMapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from domain.errors import LaurelError, ModelUnusable
from domain.models import LoggedModel
from service.adapters.mlflow.access import MlflowAccess, library_environment, served_path
from service.adapters.mlflow.artifact_store import open_store
from service.adapters.mlflow.experiment_tracker import MlflowExperimentTracker
from service.adapters.mlflow.foreign_records import look_at_model
from service.adapters.mlflow.model_cache import ModelCache
from service.adapters.mlflow.model_origin import own_location
from service.adapters.mlflow.model_registry import MlflowModelRegistry
from service.adapters.mlflow.model_transfer import fetch_model
from tests.harm.faults import edited, err
from tests.harm.proxies import FaultProxy
from tests.harm.wire_formats import http
from tests.worlds.model_jobs import fetch, upload_files, upload_texts

TOKEN = "canary-token-31"  # noqa: S105 - of this test
OWN = "http://mlflow.company:5000"
# What an address may look like that leads elsewhere; HOST is another server's.
ELSEWHERE = (
    "http://HOST/model",
    "https://HOST/model",
    "HTTP://HOST/model",
    "http:HOST/model",
    "http:///HOST/model",
    "mlflow-artifacts://HOST/1/model",
    "MLFLOW-ARTIFACTS://HOST/1/model",
    "mlflow-artifacts://user:pass@HOST/1/model",
    " http://HOST/model",
    "ht\ttp://HOST/model",
)
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"


@pytest.fixture
async def another() -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server of somebody else, and all that it has heard."""
    heard: list[bytes] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1 << 16))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", heard
    server.close()


@pytest.fixture
def access(proxy: FaultProxy, own_environment: MutableMapping[str, str]) -> MlflowAccess:
    """With a token of ours; and with one in the environment, as other tools have it."""
    access = MlflowAccess(proxy.url, token=TOKEN, timeout_seconds=2)
    own_environment.update(library_environment(access))
    return access


@pytest.mark.parametrize("address", ELSEWHERE)
async def test_a_store_of_another_server_is_opened_neither_to_fetch_nor_to_upload(
    another: tuple[str, list[bytes]], access: MlflowAccess, tmp_path: Path, address: str
) -> None:
    host, heard = another
    uri = address.replace("HOST", host)
    (tmp_path / "a.png").write_bytes(b"png")
    calls: Sequence[tuple[Any, ...]] = (
        (fetch, uri, None, access, str(tmp_path / "cache")),
        (look_at_model, uri, access),
        (upload_files, uri, str(tmp_path), ["a.png"], access),
        (upload_texts, uri, {"card.md": "# Card"}, access),
    )
    for call, *arguments in calls:
        with pytest.raises(ModelUnusable) as refusal:
            await to_thread(call, *arguments)
        assert refusal.value.reason == "model_source_refused"
        assert TOKEN not in refusal.value.message
        assert "pass" not in refusal.value.message
    assert heard == []


async def test_what_a_run_or_a_logged_model_says_of_its_files_is_not_followed_elsewhere(
    another: tuple[str, list[bytes]],
    proxy: FaultProxy,
    tracker: MlflowExperimentTracker,
    registry: MlflowModelRegistry,
    access: MlflowAccess,
    tmp_path: Path,
    run_id: str,
    model_name: str,
) -> None:
    """A logged model, a run and a version, each with files at another host; as inference and workers ask."""
    host, heard = another
    opened = await tracker.open_run(run_id, "price", {})
    model = await tracker.create_model(opened, {}, {})
    await registry.register(model_name, model, opened.mlflow_run_id, {})
    proxy.add(
        edited(lambda answer: _moved(answer, host), http("GET", "(logged-models|runs/get|model-versions)"))
    )
    for source in (model.uri, f"runs:/{opened.mlflow_run_id}/model", f"models:/{model_name}/1"):
        with pytest.raises(ModelUnusable) as refusal:
            await to_thread(fetch, source, None, access, str(tmp_path / "cache"))
        assert refusal.value.reason == "model_source_refused", source
    location = await to_thread(own_location, model.uri, opened.mlflow_run_id, access)
    with pytest.raises(ModelUnusable):
        await to_thread(_as_inference, model, location, access, tmp_path)
    assert heard == []


def _as_inference(model: LoggedModel, location: str, access: MlflowAccess, scratch: Path) -> None:
    fetch_model(model.uri, {}, access, ModelCache(scratch / "served"), location=location)


def _moved(answer: bytes, host: str) -> bytes:
    """An answer whose `artifact_uri` is at another host."""
    head, _, body = answer.partition(b"\r\n\r\n")
    moved = body.replace(b"mlflow-artifacts:/", f"mlflow-artifacts://{host}/".encode())
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
    return b"\r\n".join([*lines, b"content-length: %d" % len(moved)]) + b"\r\n\r\n" + moved


async def test_a_redirect_is_not_followed_with_the_token(
    another: tuple[str, list[bytes]], proxy: FaultProxy, access: MlflowAccess, tmp_path: Path
) -> None:
    host, heard = another
    calls: Sequence[tuple[Any, ...]] = (
        (fetch, "models:/m-" + "0" * 32, None, access, str(tmp_path / "cache")),
        (upload_texts, "mlflow-artifacts:/1/x", {"card.md": "# Card"}, access),
    )
    for status in (301, 302, 303, 307, 308):
        proxy.add(err(status, "", times=2, location=f"http://{host}/login"))
        for call in calls:
            with pytest.raises(LaurelError, match="redirects to"):
                await to_thread(call[0], *call[1:])
    assert heard == []


async def test_runs_and_models_lead_to_their_files_on_this_server(
    tracker: MlflowExperimentTracker,
    registry: MlflowModelRegistry,
    access: MlflowAccess,
    proxy: FaultProxy,
    run_id: str,
    model_name: str,
) -> None:
    """Asked of MLflow by us: its library would go wherever the answer leads."""
    opened = await tracker.open_run(run_id, "price", {})
    model: LoggedModel = await tracker.create_model(opened, {}, {})
    await registry.register(model_name, model, opened.mlflow_run_id, {})
    await to_thread(upload_texts, model.artifact_uri, {"MLmodel": "flavors: {}"}, access)
    await to_thread(upload_texts, opened.artifact_uri, {"old/MLmodel": "{}"}, access)
    root = model.artifact_uri.removeprefix("mlflow-artifacts:")
    spelled = f"mlflow-artifacts://{urlsplit(proxy.url).netloc}{root}"
    for uri, size in {
        model.uri: 11,
        f"runs:/{opened.mlflow_run_id}/model": 11,
        f"models:/{model_name}/1": 11,
        spelled: 11,
        f"{proxy.url}{ARTIFACTS}{root}": 11,
        f"runs:/{opened.mlflow_run_id}/old": 2,
    }.items():
        assert await to_thread(_sizes, uri, replace(access)) == {"MLmodel": size}, uri


def _sizes(uri: str, access: MlflowAccess) -> dict[str, int]:
    with open_store(uri, access) as store:
        return store.sizes()


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("mlflow-artifacts:/1/m", "1/m"),
        ("mlflow-artifacts:///1/m", "1/m"),
        ("mlflow-artifacts://mlflow.company:5000/1/m", "1/m"),
        ("mlflow-artifacts://MLflow.Company:5000/1/m", "1/m"),
        (f"{OWN}{ARTIFACTS}/1/m", "1/m"),
        ("s3://bucket/1/m", None),
        ("file:///1/m", None),
    ],
)
def test_what_is_this_servers_is_known(uri: str, path: str | None) -> None:
    assert served_path(uri, OWN) == path


@pytest.mark.parametrize(
    "uri",
    [
        "mlflow-artifacts://mlflow.company/1/m",
        "mlflow-artifacts://mlflow.company:5001/1/m",
        "mlflow-artifacts://mlflow.company:5000@evil/1/m",
        "mlflow-artifacts://u:p@mlflow.company:5000/1/m",
        "mlflow-artifacts://mlflow.company.evil:5000/1/m",
        "mlflow-artifacts://mlflow.company:99999/1/m",
        "mlflow-artifacts://[::1/1/m",
        "mlflow-artifacts:/1/../../../api",
        "mlflow-artifacts:/1/..\\..\\m",
        f"https://mlflow.company:5000{ARTIFACTS}/1/m",
        f"{OWN}/static/m",
        f"{OWN}{ARTIFACTS}-other/m",
        "http:mlflow.company:5000/1/m",
    ],
)
def test_what_only_looks_like_it_is_refused(uri: str) -> None:
    with pytest.raises(ModelUnusable) as refusal:
        served_path(uri, OWN)
    assert refusal.value.reason == "model_source_refused"


@pytest.mark.usefixtures("own_environment")
def test_children_get_no_credentials_in_their_environment() -> None:
    """Not even those that stand in ours: foreign models run there."""
    os.environ["MLFLOW_TRACKING_TOKEN"] = TOKEN
    told = library_environment(MlflowAccess(OWN, username="u", password=TOKEN, token=TOKEN))
    assert TOKEN not in str(told)
    assert told["MLFLOW_TRACKING_TOKEN"] == ""
