"""Every tampering is refused with its reason, nothing is built of it, and the old model goes on (S01, S02).

Real files on a real MLflow server; each case is one row of the tables in `tamperings`. The files are put into
the server's folder by hand: what an upload does is proved elsewhere, and eleven for each case take a minute.
What holds for any file is shown here with one of each kind, and by `make soak` with all eleven.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from service.serving.reloading import Guard
from tests.integration.inference.tampering_scene import FILES, Package, Scene, flipped, left, link
from tests.integration.inference.tamperings import SEALED, SOURCES, STORED, TAGS
from tests.worlds import spoiled_models as spoiled
from tests.worlds.loading import Replica
from tests.worlds.registered_models import Registered, open_shelf
from tests.worlds.servers import MlflowServer, PostgresServer

OF_EACH_KIND = ("MLmodel", "laurel/golden_rows.json", "model.skops", "requirements.txt")
ANY_FILE = [pytest.param(path, marks=() if path in OF_EACH_KIND else pytest.mark.soak) for path in FILES]


@dataclass(frozen=True)
class Served:
    """A registered model's name, its good version, and the cache of a server that has loaded that."""

    model_name: str
    good: Registered
    cache: Path


@pytest.fixture(scope="module")
def packages(packages: list[Package]) -> list[Package]:
    assert all(tuple(package) == FILES for package in packages), "a new file: give it its cases"
    return packages


# FIX tests/integration/inference/test_tampering.py
@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """The file that appears if anything of a model runs."""
    os.environ[spoiled.MARK] = str(tmp_path / "mark")
    return tmp_path / "mark"


@pytest.fixture(scope="module")
def served(
    mlflow_server: MlflowServer, packages: list[Package], tmp_path_factory: pytest.TempPathFactory
) -> Served:
    """A good model that a server has loaded: registered once, because each case would send eleven files."""
    folder = tmp_path_factory.mktemp("served")

    async def serve() -> Served:
        async with open_shelf(mlflow_server.tracking_uri, folder / "scratch") as shelf:
            good = await shelf.register(packages[0], 1)
            await shelf.point(good)
            await Replica(shelf, folder / "cache").reloader.reload()
            return Served(shelf.model_name, good, folder / "cache")

    return asyncio.run(serve())


@pytest.fixture
async def scene(
    served: Served, mlflow_server: MlflowServer, packages: list[Package], tmp_path: Path
) -> AsyncIterator[Scene]:
    """A server that starts on the good model, with a cache of its own."""
    shutil.copytree(served.cache, tmp_path / "cache", symlinks=True)
    artifacts = mlflow_server.artifacts
    uri, scratch = mlflow_server.tracking_uri, tmp_path / "scratch"
    async with open_shelf(uri, scratch, served.model_name, artifacts) as shelf:
        replica = Replica(shelf, tmp_path / "cache")
        await shelf.point(served.good)
        await replica.reloader.reload()
        yield Scene(shelf, replica, served.good, dict(packages[1]), dict(packages[2]), artifacts)


@pytest.mark.parametrize("path", ANY_FILE)
async def test_a_flipped_byte_in_any_file_is_refused(scene: Scene, path: str) -> None:
    stored = {**scene.package, path: flipped(scene.package[path])}
    bad = await scene.shelf.register(scene.package, 2, stored=stored)
    assert await scene.refused(bad, only_guarded=True) == "model_digest_mismatch"


@pytest.mark.parametrize("path", ANY_FILE)
async def test_a_removed_file_is_refused(scene: Scene, path: str) -> None:
    stored = {name: data for name, data in scene.package.items() if name != path}
    bad = await scene.shelf.register(scene.package, 2, stored=stored)
    assert await scene.refused(bad, only_guarded=True) == "model_files_differ"


@pytest.mark.parametrize("path", ANY_FILE)
async def test_a_file_that_became_a_link_to_other_bytes_is_refused(scene: Scene, path: str) -> None:
    bad = await scene.shelf.register(scene.package, 2)
    elsewhere = scene.artifacts / f"elsewhere-{bad.model.model_id}"
    elsewhere.write_bytes(flipped(scene.package[path]))
    link(scene.on_disk(bad, path), elsewhere)
    assert await scene.refused(bad, only_guarded=True) == "model_digest_mismatch"


async def test_a_link_that_leads_out_of_the_servers_artifacts_is_refused_by_mlflow(
    scene: Scene, tmp_path: Path
) -> None:
    bad = await scene.shelf.register(scene.package, 2)
    (tmp_path / "elsewhere").write_bytes(scene.package["model.skops"])
    link(scene.on_disk(bad, "model.skops"), tmp_path / "elsewhere")
    assert await scene.refused(bad) == "mlflow_refused"


@pytest.mark.parametrize("case", STORED)
async def test_files_that_are_not_the_recorded_ones_are_refused(scene: Scene, mark: Path, case: str) -> None:
    reason, stored = STORED[case]
    assert await scene.refused(await scene.shelf.register(scene.package, 2, stored=stored(scene))) == reason
    assert not left(mark)


@pytest.mark.parametrize("case", SEALED)
async def test_a_manifest_that_was_changed_with_the_files_opens_no_door(
    scene: Scene, mark: Path, case: str
) -> None:
    reason, package = SEALED[case]
    assert await scene.refused(await scene.shelf.register(package(scene), 2)) == reason
    assert not left(mark)


@pytest.mark.parametrize("case", TAGS)
async def test_tags_that_do_not_say_what_the_files_must_be_are_refused(scene: Scene, case: str) -> None:
    reason, tags = TAGS[case]
    assert await scene.refused(await scene.shelf.register(scene.package, 2, tags=tags(scene))) == reason


@pytest.mark.parametrize("case", SOURCES)
async def test_a_source_that_is_not_the_versions_own_model_is_refused(
    scene: Scene, postgres_server: PostgresServer, case: str
) -> None:
    reason, source, tags = SOURCES[case]
    bad = await scene.shelf.register(scene.package, 2, tags=tags(scene))
    set_source(postgres_server, scene, bad, source(scene))
    assert await scene.refused(bad) == reason


def set_source(server: PostgresServer, scene: Scene, bad: Registered, source: str) -> None:
    url = urlsplit(server.url)._replace(scheme="postgresql", path="/mlflow")
    with psycopg.connect(urlunsplit(url)) as database:
        database.execute(
            "UPDATE model_versions SET source = %s WHERE name = %s AND version = %s",
            (source, scene.shelf.model_name, bad.version.version),
        )


async def test_after_every_refusal_a_good_version_is_served(scene: Scene) -> None:
    stored = {**scene.package, "model.skops": b""}
    await scene.refused(await scene.shelf.register(scene.package, 2, stored=stored))
    good = await scene.shelf.register(scene.package, 3)
    await scene.shelf.point(good)
    await scene.replica.reloader.reload(Guard(3, good.version.version))
    assert scene.replica.served == (good.version.version, 3)
