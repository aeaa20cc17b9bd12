"""What MLflow's REST API says is recorded: asked plainly, without the code under test."""

import ssl
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True)
class RunRecord:
    """One run as MLflow tells it."""

    status: str
    name: str
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    outputs: list[str]


class MlflowRecord:
    """Reads, and does by hand what people do."""

    def __init__(self, tracking_uri: str) -> None:
        # MLflow closes a connection that was idle for five seconds, even while a call is on its way.
        alone = httpx.Limits(max_keepalive_connections=0)
        # It speaks plain http: to read whom it could trust would cost more than all calls.
        nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._client = httpx.AsyncClient(
            base_url=tracking_uri, trust_env=False, timeout=20, limits=alone, verify=nobody
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def get(self, endpoint: str, **query: str) -> dict[str, Any]:
        return self._good(await self._client.get(f"/api/2.0/mlflow/{endpoint}", params=query))

    async def post(self, endpoint: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._good(await self._client.post(f"/api/2.0/mlflow/{endpoint}", json=body))

    async def run(self, mlflow_run_id: str) -> RunRecord:
        run = (await self.get("runs/get", run_id=mlflow_run_id))["run"]
        data = run["data"]
        return RunRecord(
            status=run["info"]["status"],
            name=run["info"]["run_name"],
            params=_pairs(data.get("params", [])),
            metrics=_pairs(data.get("metrics", [])),
            tags=_pairs(data.get("tags", [])),
            outputs=[output["model_id"] for output in run.get("outputs", {}).get("model_outputs", [])],
        )

    async def runs_of(self, experiment_id: str, run_id: str) -> list[dict[str, Any]]:
        """All runs with our tag, raw."""
        condition = f"tags.`laurel.run_id` = '{run_id}'"
        answer = await self.post("runs/search", {"experiment_ids": [experiment_id], "filter": condition})
        runs: list[dict[str, Any]] = answer.get("runs", [])
        return runs

    async def models_of(self, experiment_id: str, mlflow_run_id: str) -> list[dict[str, Any]]:
        """All logged models of a run that are not deleted, raw."""
        condition = f"source_run_id = '{mlflow_run_id}'"
        body = {"experiment_ids": [experiment_id], "filter": condition}
        models: list[dict[str, Any]] = (await self.post("logged-models/search", body)).get("models", [])
        return models

    async def versions_of(self, model_name: str) -> list[dict[str, Any]]:
        """All versions of a registered model, raw, in order."""
        answer = await self.get("model-versions/search", filter=f"name = '{model_name}'")
        versions: list[dict[str, Any]] = answer.get("model_versions", [])
        return sorted(versions, key=lambda version: int(version["version"]))

    async def artifact(self, artifact_uri: str, path: str) -> bytes:
        """The bytes of an artifact that the server serves."""
        root = artifact_uri.removeprefix("mlflow-artifacts:/")
        answer = await self._client.get(f"/api/2.0/mlflow-artifacts/artifacts/{root}/{path}")
        answer.raise_for_status()
        return answer.content

    def _good(self, answer: httpx.Response) -> dict[str, Any]:
        assert answer.status_code == httpx.codes.OK, answer.text
        content: dict[str, Any] = answer.json()
        return content


def _pairs(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {item["key"]: item["value"] for item in items}
