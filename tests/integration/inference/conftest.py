"""Models to serve, and the registry that names the champion among them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.worlds.registered_models import ModelShelf, open_shelf, small_package
from tests.worlds.servers import MlflowServer


@pytest.fixture(scope="package")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, bytes]]:
    """Three models that answer differently."""
    folder = tmp_path_factory.mktemp("packages")
    return [small_package(folder, seed=seed) for seed in (3, 4, 5)]


@pytest.fixture
async def shelf(mlflow_server: MlflowServer, tmp_path: Path) -> AsyncIterator[ModelShelf]:
    """A registered model of the test's own, empty."""
    uri, scratch = mlflow_server.tracking_uri, tmp_path / "scratch"
    async with open_shelf(uri, scratch, artifacts=mlflow_server.artifacts) as shelf:
        yield shelf
