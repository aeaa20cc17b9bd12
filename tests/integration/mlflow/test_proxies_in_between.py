"""A proxy before MLflow: limits, late and dripping answers, login pages; each is told as what it is."""

import hashlib
import os
from asyncio import to_thread
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.datasets import seal
from domain.errors import NeverRetry, TryLater
from domain.models import LoggedModel
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.experiment_tracker import MlflowExperimentTracker
from service.adapters.mlflow.model_registry import MlflowModelRegistry
from service.adapters.mlflow.rest import MlflowRest
from tests.harm.faults import without_aliases
from tests.harm.proxies import Fault, FaultProxy, cut_request, drip, drip_head, edited, err, late, lost
from tests.harm.wire_formats import http
from tests.worlds.model_jobs import fetch, upload, upload_files, upload_texts

FILES = {"MLmodel": b"flavors: {}\n", "model.skops": os.urandom(300_000), "laurel/feature schema.json": b"{}"}
MANIFEST = {path: hashlib.sha256(content).hexdigest() for path, content in FILES.items()}
LIMITS = (411, 413, 414, 415, 431)
HTML = "<html><head><title>413 Request Entity Too Large</title></head><body><h1>nginx</h1></body></html>"
PUT_MODEL = http("PUT", "model.skops")


def written(folder: Path) -> Path:
    for path, content in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


@pytest.fixture
async def model(tracker: MlflowExperimentTracker, run_id: str) -> LoggedModel:
    """A logged model without files."""
    return await tracker.create_model(await tracker.open_run(run_id, "price", {}), {}, {})


@pytest.fixture
def send(model: LoggedModel, access: MlflowAccess, tmp_path: Path) -> Callable[..., Any]:
    """Upload the package once, as a child does."""
    folder = written(tmp_path / "package")

    async def send_it(**more: Any) -> None:
        arguments = (str(folder), model.artifact_uri, MANIFEST, access, str(tmp_path / "uploader"))
        await to_thread(upload, *arguments, **more)

    return send_it


@pytest.fixture
def fetched(model: LoggedModel, access: MlflowAccess, tmp_path: Path) -> Callable[[], Any]:
    """Fetch the model as another machine does; give the digest."""

    async def fetch_it() -> str:
        found = await to_thread(fetch, model.uri, MANIFEST, access, str(tmp_path / "cache"))
        return str(found.digest)

    return fetch_it


def puts(proxy: FaultProxy) -> Any:
    """Count the uploads of the model from now on."""
    return proxy.add(edited(lambda answer: answer, PUT_MODEL))


@pytest.mark.parametrize("status", LIMITS)
async def test_a_proxys_limit_is_final_and_names_file_size_and_limit(
    proxy: FaultProxy, send: Callable[..., Any], status: int
) -> None:
    fault = proxy.add(err(status, HTML, PUT_MODEL, content_type="text/html"))
    with pytest.raises(NeverRetry) as refusal:
        await send()
    said = refusal.value
    assert (said.reason, fault.hits) == ("upload_refused", 1)
    assert (said.facts["file"], said.facts["bytes"], said.facts["status"]) == ("model.skops", 300_000, status)
    for words in ("model.skops", "300000 bytes", "proxy's limit", str(status), "Request Entity Too Large"):
        assert words in said.message


async def test_values_that_a_proxy_finds_too_large_are_refused_alike(
    proxy: FaultProxy, tracker: MlflowExperimentTracker, access: MlflowAccess, run_id: str
) -> None:
    opened = await tracker.open_run(run_id, "price", {})
    proxy.add(err(413, HTML, http("POST", "runs/log-batch"), content_type="text/html"))
    with pytest.raises(NeverRetry, match=r"log-batch \(\d+ bytes\)") as refusal:
        await tracker.log(opened.mlflow_run_id, params={"a": 1})
    assert refusal.value.reason == "upload_refused"
    proxy.add(err(413, HTML, http("PUT", "card.md"), content_type="text/html"))
    with pytest.raises(NeverRetry, match=r"card\.md \(6 bytes\)"):
        await to_thread(upload_texts, opened.artifact_uri, {"card.md": "# Card"}, access)


async def test_a_limit_that_mlflow_itself_has_is_mlflows(proxy: FaultProxy, send: Callable[..., Any]) -> None:
    proxy.add(err(413, '{"error_code": "RESOURCE_EXHAUSTED", "message": "quota"}', PUT_MODEL))
    with pytest.raises(NeverRetry) as refusal:
        await send()
    assert (refusal.value.reason, refusal.value.facts["code"]) == ("mlflow_refused", "RESOURCE_EXHAUSTED")


@pytest.mark.parametrize("harm", [late(60, PUT_MODEL), lost(PUT_MODEL)], ids=["late", "lost"])
async def test_a_file_whose_answer_is_late_or_lost_has_arrived_and_is_not_sent_again(
    proxy: FaultProxy, send: Callable[..., Any], fetched: Callable[[], Any], harm: Any
) -> None:
    fault = proxy.add(replace(harm, times=None, hits=0))
    await send(arrived={})
    assert fault.hits == 1
    assert await fetched() == seal(MANIFEST)


async def test_a_gateway_that_gives_up_on_an_upload_is_not_believed(
    proxy: FaultProxy, send: Callable[..., Any], fetched: Callable[[], Any]
) -> None:
    """504 says that the gateway has no answer; the file is there."""
    page = b"HTTP/1.1 504 Gateway Timeout\r\ncontent-type: text/html\r\ncontent-length: 4\r\n\r\n<p/>"
    fault = proxy.add(edited(lambda _: page, PUT_MODEL))
    await send(arrived={})
    assert fault.hits == 1
    assert await fetched() == seal(MANIFEST)


async def test_a_repeat_sends_only_what_is_not_there(
    proxy: FaultProxy, send: Callable[..., Any], fetched: Callable[[], Any]
) -> None:
    proxy.add(err(502, "<h1>Bad Gateway</h1>", http("PUT", "MLmodel"), times=1))
    with pytest.raises(TryLater):
        await send(arrived={})
    again = puts(proxy)
    await send()
    assert again.hits == 0
    assert await fetched() == seal(MANIFEST)


async def test_a_file_of_the_same_size_with_other_bytes_is_sent_again(
    proxy: FaultProxy,
    send: Callable[..., Any],
    fetched: Callable[[], Any],
    model: LoggedModel,
    access: MlflowAccess,
    tmp_path: Path,
) -> None:
    """A fit that was made again after a crash: its MLmodel is as long as the first one's."""
    (tmp_path / "before").mkdir()
    (tmp_path / "before" / "MLmodel").write_bytes(b"flavors: []\n")
    (tmp_path / "before" / "model.skops").write_bytes(os.urandom(300_000))
    await to_thread(
        upload_files, model.artifact_uri, str(tmp_path / "before"), ["MLmodel", "model.skops"], access
    )
    again = puts(proxy)
    await send()
    assert again.hits == 1
    assert await fetched() == seal(MANIFEST)


async def test_a_first_upload_looks_for_nothing_before_it(
    proxy: FaultProxy, send: Callable[..., Any]
) -> None:
    before = proxy.requests
    await send(arrived={})
    assert proxy.requests - before == len(FILES) + 2  # each file once, then the root and the folder in it


async def test_what_was_uploaded_during_the_fit_is_not_sent_again_unless_it_changed(
    proxy: FaultProxy,
    send: Callable[..., Any],
    fetched: Callable[[], Any],
    model: LoggedModel,
    access: MlflowAccess,
) -> None:
    ahead = {"MLmodel": "flavors: {}\n", "laurel/feature schema.json": "[]"}
    await to_thread(upload_texts, model.artifact_uri, ahead, access)
    before = proxy.requests
    await send(arrived={path: hashlib.sha256(text.encode()).hexdigest() for path, text in ahead.items()})
    assert proxy.requests - before == len(FILES) - 1 + 2  # and a look at the root and the folder in it
    assert await fetched() == seal(MANIFEST)


async def test_pictures_whose_answers_are_late_are_not_sent_for_ever(
    proxy: FaultProxy, model: LoggedModel, access: MlflowAccess, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(b"png")
    fault = proxy.add(late(60, http("PUT", "a.png")))
    await to_thread(upload_files, f"{model.artifact_uri}/evaluation", str(tmp_path), ["a.png"], access)
    assert fault.hits == 1


async def test_half_an_upload_is_no_arrival(proxy: FaultProxy, send: Callable[..., Any]) -> None:
    fault = proxy.add(cut_request(PUT_MODEL))
    with pytest.raises(TryLater):
        await send(arrived={})
    assert fault.hits == 1


async def test_the_time_for_a_transfer_grows_with_its_bytes() -> None:
    access = MlflowAccess("http://h:1", timeout_seconds=8)
    assert access.allowed_seconds(0) == 8
    assert access.allowed_seconds(100 << 20) > 300


FOREIGN = {
    "a gateway's page": (err(502, "<h1>Bad Gateway</h1>", content_type="text/html"), "502", "Bad Gateway"),
    "a filter": (err(451, "blocked by policy", content_type="text/plain"), "451", "blocked by policy"),
    "a proxy's login": (err(407, "Proxy login", content_type="text/plain"), "407", "requires a login"),
    "a gateway's JSON": (err(403, '{"message": "no route"}'), "403", "no route"),
    "a redirect": (
        err(302, "", location="https://u:p@login.company/start?ticket=canary-9"),
        "302",
        "redirects to https://login.company/start:",
    ),
    "a moved server": (err(308, "", location="/mlflow/api"), "308", "redirects to /mlflow/api:"),
    "a page with 200": (err(200, "<title>Sign in</title>", content_type="text/html"), "200", "Sign in"),
}


@pytest.mark.parametrize("what", FOREIGN)
async def test_an_answer_that_is_not_mlflows_waits_and_is_told_by_its_own_words(
    proxy: FaultProxy,
    registry: MlflowModelRegistry,
    send: Callable[..., Any],
    fetched: Callable[[], Any],
    model_name: str,
    what: str,
) -> None:
    """To the worker's client, and to a child that fetches."""
    await send()
    template, status, words = FOREIGN[what]
    proxy.add(replace(template))
    for ask in (lambda: registry.alias_version(model_name), fetched):
        with pytest.raises(TryLater) as refusal:
            await ask()
        assert (refusal.value.reason, refusal.value.waiting_on) == ("mlflow_foreign_answer", "mlflow")
        assert status in refusal.value.message
        assert words in refusal.value.message
        assert "canary" not in f"{refusal.value.message} {refusal.value.facts}"
        assert len(refusal.value.message) < 600


async def test_a_login_page_in_the_place_of_a_file_is_no_file(
    proxy: FaultProxy, send: Callable[..., Any], fetched: Callable[[], Any]
) -> None:
    await send()
    proxy.add(
        err(200, "<title>Sign in</title>", http("GET", "artifacts/.*MLmodel"), content_type="text/html")
    )
    with pytest.raises(TryLater, match="Sign in") as refusal:
        await fetched()
    assert refusal.value.reason == "mlflow_foreign_answer"


async def test_mlflows_own_doorkeepers_are_told_from_a_proxy(
    proxy: FaultProxy, registry: MlflowModelRegistry, model_name: str
) -> None:
    text = "You are not authenticated. Please see https://www.mlflow.org/docs"
    fault = proxy.add(err(401, text, content_type="text/html"))
    with pytest.raises(TryLater, match="MLFLOW__USERNAME") as refusal:
        await registry.alias_version(model_name)
    assert (refusal.value.reason, fault.hits) == ("mlflow_unavailable", 1)


@pytest.mark.parametrize("dripping", [drip, drip_head])
async def test_an_answer_that_drips_ends_by_its_time(
    proxy: FaultProxy, send: Callable[..., Any], fetched: Callable[[], Any], dripping: Callable[..., Fault]
) -> None:
    await send()
    fault = proxy.add(dripping(0.05, http("GET", "artifacts/.*model.skops")))
    with pytest.raises(TryLater, match="arrives too slowly"):
        await fetched()
    assert fault.hits == 1


async def test_an_answer_without_its_aliases_reads_as_no_alias_and_the_ledger_knows_better(
    proxy: FaultProxy,
    tracker: MlflowExperimentTracker,
    registry: MlflowModelRegistry,
    run_id: str,
    model_name: str,
) -> None:
    """MLflow says "none" in just that way."""
    opened = await tracker.open_run(run_id, "price", {})
    model = await tracker.create_model(opened, {}, {})
    await registry.register(model_name, model, opened.mlflow_run_id, {})
    await registry.set_alias(model_name, 1)
    fault = proxy.add(edited(without_aliases, http("GET", "registered-models/get")))
    assert await registry.alias_version(model_name) is None
    assert fault.hits == 1


async def test_what_an_answer_repeats_of_our_secrets_is_not_told(proxy: FaultProxy, model_name: str) -> None:
    access = MlflowAccess(proxy.url, username="laurel", password="canary-77", timeout_seconds=1)  # noqa: S106
    pair = access.headers["Authorization"]
    rest = MlflowRest(access)
    proxy.add(err(502, f"<p>you sent {pair} and canary-77</p>", content_type="text/html"))
    with pytest.raises(TryLater) as refusal:
        await rest.get("runs/get", run_id=model_name)
    await rest.close()
    shown = f"{refusal.value.message} {refusal.value.facts}"
    assert "you sent Basic ***" in shown
    assert "canary" not in shown
    assert pair.partition(" ")[2] not in shown
