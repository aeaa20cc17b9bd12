"""A model's files on their way: M06 and what else can happen to them between two manifests."""

# ruff: noqa: ASYNC240 - a test's own small files

import hashlib
import os
import time
from asyncio import to_thread
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domain.datasets import seal
from domain.errors import ModelUnusable, TryLater
from domain.job_results import FetchedFiles
from domain.models import LoggedModel
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.experiment_tracker import MlflowExperimentTracker
from tests.harm.proxies import FaultProxy, cut, cut_request, err, hole
from tests.harm.wire_formats import http
from tests.kit.mlflow_record import MlflowRecord
from tests.worlds.model_jobs import fetch, upload, upload_files, upload_texts

FILES = {"MLmodel": b"flavors: {}\n", "model.skops": os.urandom(300_000), "laurel/feature schema.json": b"{}"}
MANIFEST = {path: hashlib.sha256(content).hexdigest() for path, content in FILES.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A package as a fit leaves it."""
    package = tmp_path / "package"
    for path, content in FILES.items():
        (package / path).parent.mkdir(parents=True, exist_ok=True)
        (package / path).write_bytes(content)
    return package


@pytest.fixture
async def model(tracker: MlflowExperimentTracker, run_id: str) -> LoggedModel:
    """A logged model without files."""
    return await tracker.create_model(await tracker.open_run(run_id, "price", {}), {}, {})


@pytest.fixture
async def uploaded(model: LoggedModel, folder: Path, access: MlflowAccess, tmp_path: Path) -> LoggedModel:
    """A logged model with its files."""
    await to_thread(upload, str(folder), model.artifact_uri, MANIFEST, access, str(tmp_path / "uploader"))
    return model


@pytest.fixture
def fetched(access: MlflowAccess, tmp_path: Path) -> Callable[..., Any]:
    """Fetch into an empty cache, as another machine does."""

    async def fetch_here(
        source: str, manifest: dict[str, str] | None = MANIFEST, **more: Any
    ) -> FetchedFiles:
        return await to_thread(fetch, source, manifest, access, str(tmp_path / "cache"), **more)

    return fetch_here


async def test_what_was_uploaded_is_what_is_fetched(
    uploaded: LoggedModel, fetched: Callable[..., Any]
) -> None:
    found = await fetched(uploaded.uri)
    assert (found.manifest, found.digest) == (MANIFEST, seal(MANIFEST))
    assert {path: Path(found.folder, path).read_bytes() for path in FILES} == FILES


async def test_the_uploader_fetches_nothing_and_a_second_look_fetches_nothing(
    uploaded: LoggedModel,
    fetched: Callable[..., Any],
    proxy: FaultProxy,
    access: MlflowAccess,
    tmp_path: Path,
) -> None:
    await fetched(uploaded.uri)
    before = proxy.requests
    again = await fetched(uploaded.uri)
    theirs = await to_thread(fetch, uploaded.uri, MANIFEST, access, str(tmp_path / "uploader"))
    assert proxy.requests == before
    assert (again.digest, theirs.digest) == (seal(MANIFEST), seal(MANIFEST))


async def test_a_cached_file_that_was_damaged_is_fetched_anew(
    uploaded: LoggedModel, fetched: Callable[..., Any]
) -> None:
    found = await fetched(uploaded.uri)
    damaged = Path(found.folder, "model.skops")
    damaged.write_bytes(b"\0" + damaged.read_bytes()[1:])
    again = await fetched(uploaded.uri)
    assert again.digest == seal(MANIFEST)
    assert damaged.read_bytes() == FILES["model.skops"]


@pytest.mark.parametrize("harm", [cut_request, hole], ids=["half a file", "silence"])
async def test_an_upload_that_broke_is_made_whole_by_its_repeat(
    proxy: FaultProxy,
    model: LoggedModel,
    folder: Path,
    access: MlflowAccess,
    fetched: Callable[..., Any],
    tmp_path: Path,
    harm: Callable[..., Any],
) -> None:
    fault = proxy.add(harm(http("PUT", "model.skops"), times=1))
    arguments = (str(folder), model.artifact_uri, MANIFEST, access, str(tmp_path / "uploader"))
    with pytest.raises(TryLater) as refusal:
        await to_thread(upload, *arguments)
    assert (refusal.value.waiting_on, fault.hits) == ("mlflow", 1)
    with pytest.raises((ModelUnusable, TryLater)):
        await fetched(model.uri)
    await to_thread(upload, *arguments)
    assert (await fetched(model.uri)).digest == seal(MANIFEST)


async def test_a_download_that_broke_off_is_made_again(
    proxy: FaultProxy, uploaded: LoggedModel, fetched: Callable[..., Any]
) -> None:
    fault = proxy.add(cut(http("GET", "model.skops"), times=1))
    with pytest.raises(TryLater):
        await fetched(uploaded.uri)
    assert fault.hits == 1
    assert (await fetched(uploaded.uri)).digest == seal(MANIFEST)


async def test_a_store_that_kept_less_than_it_was_given_is_found_out(
    proxy: FaultProxy, model: LoggedModel, folder: Path, access: MlflowAccess, tmp_path: Path
) -> None:
    """Every PUT says 200, one file is not there."""
    fault = proxy.add(err(200, "", http("PUT", "model.skops")))
    with pytest.raises(TryLater) as refusal:
        await to_thread(upload, str(folder), model.artifact_uri, MANIFEST, access, str(tmp_path / "cache"))
    assert (refusal.value.reason, refusal.value.facts["files"]) == ("upload_incomplete", ["model.skops"])
    assert fault.hits == 1


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        ({"model.skops": b"\0" * 300_000}, "model_digest_mismatch"),
        ({"model.skops": b"short"}, "model_digest_mismatch"),
        ({"extra.py": b"import os"}, "model_files_differ"),
        ({".git/config": b"[core]"}, "model_files_differ"),
    ],
    ids=["other bytes", "fewer bytes", "one file more", "a file under .git"],
)
async def test_files_that_are_not_the_recorded_ones_are_refused(
    uploaded: LoggedModel,
    fetched: Callable[..., Any],
    access: MlflowAccess,
    tmp_path: Path,
    harm: dict[str, bytes],
    reason: str,
) -> None:
    for path, content in harm.items():
        (tmp_path / "harm" / path).parent.mkdir(parents=True)
        (tmp_path / "harm" / path).write_bytes(content)
    await to_thread(upload_files, uploaded.artifact_uri, str(tmp_path / "harm"), list(harm), access)
    with pytest.raises(ModelUnusable) as refusal:
        await fetched(uploaded.uri)
    assert refusal.value.reason == reason
    assert list(tmp_path.glob("cache/*")) == []


async def test_a_file_that_is_missing_is_refused(uploaded: LoggedModel, fetched: Callable[..., Any]) -> None:
    with pytest.raises(ModelUnusable) as refusal:
        await fetched(uploaded.uri, {**MANIFEST, "signature.json": "0" * 64})
    assert refusal.value.facts["missing"] == ["signature.json"]


async def test_a_model_that_is_too_large_is_refused_before_it_is_fetched(
    uploaded: LoggedModel, fetched: Callable[..., Any], proxy: FaultProxy
) -> None:
    before = proxy.requests
    with pytest.raises(ModelUnusable) as refusal:
        await fetched(uploaded.uri, largest_bytes=1000)
    assert refusal.value.reason == "model_too_large"
    assert proxy.requests - before == 3  # the logged model, its folder and the folder below


@pytest.mark.parametrize(
    "source", ["", "models:/m-" + "0" * 32, "http://127.0.0.1:9/model", "mlflow-artifacts://127.0.0.1:9/1/m"]
)
async def test_a_source_that_leads_nowhere_or_elsewhere_is_refused(
    fetched: Callable[..., Any], source: str
) -> None:
    """Another server is not asked at all: it would be shown our credentials."""
    with pytest.raises(ModelUnusable):
        await fetched(source)


async def test_a_version_that_others_made_is_taken_as_it_is(
    uploaded: LoggedModel, fetched: Callable[..., Any]
) -> None:
    """It has no manifest; its source is a plain place."""
    found = await fetched(uploaded.artifact_uri, None)
    assert (found.manifest, found.digest) == (MANIFEST, seal(MANIFEST))


async def test_a_store_that_the_server_does_not_serve_is_reached_by_the_library(
    folder: Path, access: MlflowAccess, fetched: Callable[..., Any], tmp_path: Path
) -> None:
    store = f"file://{tmp_path}/store"
    await to_thread(upload, str(folder), store, MANIFEST, access, str(tmp_path / "uploader"))
    await to_thread(upload_texts, f"{store}-texts", {"card.md": "# Card"}, access)
    assert (await fetched(store)).digest == seal(MANIFEST)
    assert (tmp_path / "store-texts" / "card.md").read_text() == "# Card"


async def test_texts_are_artifacts_and_the_last_one_stands(
    model: LoggedModel, access: MlflowAccess, record: MlflowRecord
) -> None:
    uri, again = model.artifact_uri, {"laurel/a report.json": "neu: ä", "laurel/card.md": "# Card"}
    await to_thread(upload_texts, uri, {"laurel/a report.json": "old"}, access)
    await to_thread(upload_texts, uri, again, access)
    for path, text in again.items():
        assert (await record.artifact(uri, path)).decode() == text


async def test_the_cache_forgets_what_was_not_used_for_long(
    uploaded: LoggedModel, fetched: Callable[..., Any], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    long_ago = time.time() - 7200
    for number in range(12):
        (cache / f"old-{number}").mkdir(parents=True)
        os.utime(cache / f"old-{number}", (long_ago - number, long_ago - number))
    (cache / ".half-done").mkdir()
    os.utime(cache / ".half-done", (long_ago, long_ago))
    await fetched(uploaded.uri)
    kept = {path.name for path in cache.iterdir()}
    assert kept == {seal(MANIFEST), *(f"old-{number}" for number in range(7))}
