"""MLflow by its REST API: runs, versions with their files, and the alias."""

import ssl
from typing import Any

import httpx

from tests.oracle.facts import RegisteredVersion, TrackedRun

_NO_SUCH = "RESOURCE_DOES_NOT_EXIST"


async def read_registry(tracking_uri: str, experiment: str, model_name: str) -> dict[str, Any]:
    """Read what concerns one experiment and one registered model, as fields of `World`."""
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # over http: the system's certificates take long to read
    async with httpx.AsyncClient(base_url=tracking_uri, trust_env=False, timeout=20, verify=plain) as client:
        return {
            "tracked": await _runs(client, experiment),
            "versions": await _versions(client, model_name),
            "alias": await _alias(client, model_name),
        }


async def _runs(client: httpx.AsyncClient, experiment: str) -> tuple[TrackedRun, ...]:
    found = await _get(client, "experiments/get-by-name", experiment_name=experiment)
    if found is None:
        return ()
    body = {
        "experiment_ids": [found["experiment"]["experiment_id"]],
        "max_results": 1000,
        "order_by": ["attribute.start_time", "attribute.run_id"],
    }
    answer = await client.post("/api/2.0/mlflow/runs/search", json=body)
    answer.raise_for_status()
    return tuple(_run(run) for run in answer.json().get("runs", []))


def _run(run: dict[str, Any]) -> TrackedRun:
    data = run["data"]
    return TrackedRun(
        mlflow_run_id=run["info"]["run_id"],
        status=run["info"]["status"],
        params=_pairs(data.get("params", [])),
        metrics=_pairs(data.get("metrics", [])),
        tags=_pairs(data.get("tags", [])),
    )


async def _versions(client: httpx.AsyncClient, model_name: str) -> tuple[RegisteredVersion, ...]:
    found = await _get(client, "model-versions/search", filter=f"name = '{model_name}'", max_results="1000")
    versions = [] if found is None else found.get("model_versions", [])
    versions.sort(key=lambda version: int(version["version"]))
    return tuple([await _version(client, version) for version in versions])


async def _version(client: httpx.AsyncClient, version: dict[str, Any]) -> RegisteredVersion:
    return RegisteredVersion(
        version=int(version["version"]),
        mlflow_run_id=version.get("run_id") or None,
        tags=_pairs(version.get("tags", [])),
        files=await _files(client, version.get("source") or ""),
    )


async def _files(client: httpx.AsyncClient, source: str) -> frozenset[str]:
    """The files of a logged model, which is what a version's source names."""
    if not source.startswith("models:/m-"):
        return frozenset()
    found = await _get(client, f"logged-models/{source.removeprefix('models:/')}/artifacts/directories")
    return frozenset() if found is None else frozenset(file["path"] for file in found.get("files", []))


async def _alias(client: httpx.AsyncClient, model_name: str) -> int | None:
    found = await _get(client, "registered-models/get", name=model_name)
    aliases = [] if found is None else found["registered_model"].get("aliases", [])
    return next((int(alias["version"]) for alias in aliases if alias["alias"] == "prod"), None)


async def _get(client: httpx.AsyncClient, endpoint: str, **query: str) -> dict[str, Any] | None:
    answer = await client.get(f"/api/2.0/mlflow/{endpoint}", params=query)
    if answer.status_code == httpx.codes.NOT_FOUND and answer.json().get("error_code") == _NO_SUCH:
        return None
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def _pairs(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    return {pair["key"]: pair["value"] for pair in pairs}
