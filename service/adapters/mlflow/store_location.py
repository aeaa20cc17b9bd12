"""Addresses that MLflow has to be asked about: of a run's artifacts, and of a registered model's.

MLflow's library would ask by itself, and then go wherever the answer leads, with our credentials.
"""

import re
from typing import Final
from urllib.parse import unquote, urlsplit

from domain.errors import ModelUnusable
from service.adapters.mlflow.answer_types import ModelInfo
from service.adapters.mlflow.errors import well_formed
from service.adapters.mlflow.sync_client import SyncClient

_MOST_STEPS: Final = 5
_LOGGED_MODEL: Final = re.compile(r"m-[0-9a-f]{32}")


def store_location(artifact_uri: str, client: SyncClient) -> str:
    """Follow `runs:/` and `models:/` to the place of the files; any other address is the place itself.

    Raises ModelUnusable `model_source_refused` for one that leads nowhere, NeverRetry, TryLater.
    """
    for _ in range(_MOST_STEPS):
        scheme = urlsplit(artifact_uri).scheme
        if scheme not in _STEPS:
            return artifact_uri
        first, _, rest = urlsplit(artifact_uri).path.strip("/").partition("/")
        with well_formed(f"the place of {scheme}:/"):
            artifact_uri = _STEPS[scheme](unquote(first), rest, client)
    raise ModelUnusable("model_source_refused", "the address of the artifacts leads in a circle")


def _of_run(run_id: str, path: str, client: SyncClient) -> str:
    """A logged model of the run by that name goes before what the run holds itself."""
    run = client.get_json("runs/get", run_id=run_id)["run"]
    name, _, below = path.partition("/")
    for output in reversed(run.get("outputs", {}).get("model_outputs", [])):
        model = _logged_model(output["model_id"], client)
        if model.get("name") == name:
            return _joined(model["artifact_uri"], below)
    return _joined(run["info"]["artifact_uri"], path)


def _of_model(name: str, rest: str, client: SyncClient) -> str:
    version, _, below = rest.partition("/")
    if _LOGGED_MODEL.fullmatch(name):
        return _joined(_logged_model(name, client)["artifact_uri"], rest)
    if not version.isdigit():
        raise ModelUnusable("model_source_refused", "the version's source names no version of a model")
    place = client.get_json("model-versions/get-download-uri", name=name, version=version)
    return _joined(place["artifact_uri"], below)


def _logged_model(model_id: str, client: SyncClient) -> ModelInfo:
    return client.get_json(f"logged-models/{model_id}")["model"]["info"]


def _joined(root: str, path: str) -> str:
    return f"{str(root).rstrip('/')}/{path}" if path else str(root)


_STEPS: Final = {"runs": _of_run, "models": _of_model}
