"""Served models and their application without MLflow: for tests of what a server does with a loaded model."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from domain.data_contract import DataContract
from domain.errors import LaurelError
from domain.feature_schema import FeatureSchema
from service.serving.app import ServingParts, build_app
from service.serving.predictor import Limits
from service.serving.reloading import Guard, ReloadOutcome, Status
from service.serving.served_model import PredictColumns, Row, ServedModel, Serving
from service.serving.serving_metrics import InferenceMetrics

TOKEN = "open-sesame"  # noqa: S105 - a test's own
BEARER = {"Authorization": f"Bearer {TOKEN}"}

COLUMNS: Mapping[str, Mapping[str, Any]] = {
    "key": {"type": "int"},
    "size": {"type": "float", "min": 0},
    "floors": {"type": "int", "non_nullable": True, "min": 1, "max": 50},
    "kind": {"type": "string", "allowed_values": ["flat", "house", "boat"]},
    "grade": {"type": "string"},
    "code": {"type": "string", "format": r"[A-Z]{2}\d"},
    "price": {"type": "float"},
}
FEATURES: Mapping[str, Any] = {
    "size": {"type": "numeric", "impute": "median", "clip": [10, 500]},
    "floors": {"type": "numeric"},
    "kind": {"type": "categorical", "impute": "most_frequent", "encoding": "onehot"},
    "grade": {"type": "categorical", "encoding": "ordinal", "order": ["low", "mid", "high"]},
    "code": {"type": "categorical", "impute": "constant", "encoding": "onehot"},
}
ROW: Mapping[str, Any] = {"size": 50.5, "floors": 2, "kind": "flat", "grade": "mid", "code": "AB1"}


def features_of(features: Mapping[str, Any] = FEATURES) -> FeatureSchema:
    return FeatureSchema.model_validate({"version": 4, "data_contract": 1, "tabular_features": features})


def contract_of(columns: Mapping[str, Any] = COLUMNS) -> DataContract:
    return DataContract.model_validate(
        {"version": 1, "columns": columns, "primary_key": ["key"], "target": "price"}
    )


def by_size(rows: Sequence[Row]) -> list[float]:
    """A model that says what its rows hold, so that their order shows."""
    return [100.0 + float(row["size"] or 0) for row in rows]


def served_model(
    version: int = 7,
    *,
    generation: int | None = 3,
    predict: Callable[[Sequence[Row]], list[float]] = by_size,
    features: Mapping[str, Any] = FEATURES,
    columns: Mapping[str, Any] = COLUMNS,
    known: Mapping[str, tuple[Any, ...]] | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    singles: frozenset[str] = frozenset(),
    predict_columns: PredictColumns | None = None,
) -> ServedModel:
    return ServedModel(
        model_name="price",
        version=version,
        generation=generation,
        run_id="run-1",
        feature_version=4,
        features=features_of(features),
        contract=contract_of(columns),
        manifest={"MLmodel": "a" * 64},
        digest="b" * 64,
        predict=predict,
        loaded_at=datetime(2026, 11, 1, tzinfo=UTC),
        known=known or {},
        ranges=ranges or {},
        singles=singles,
        predict_columns=predict_columns,
    )


@dataclass
class FakeReloads:
    """Answers as it is told to, and remembers the guards that came."""

    outcome: ReloadOutcome | LaurelError
    problem: str | None = None
    guards: list[Guard | None] = field(default_factory=list)

    async def reload(self, guard: Guard | None = None) -> ReloadOutcome:
        self.guards.append(guard)
        if isinstance(self.outcome, LaurelError):
            raise self.outcome
        return self.outcome


@dataclass
class Stage:
    """One application and a client that speaks to it."""

    client: httpx.AsyncClient
    serving: Serving
    reloads: FakeReloads
    metrics: InferenceMetrics
    app: Any

    async def predict(self, asked: Any, **more: Any) -> httpx.Response:
        return await self.client.post("/predict", json=asked, **more)


@asynccontextmanager
async def open_stage(
    model: ServedModel | None,
    *,
    token: str | None = None,
    outcome: ReloadOutcome | LaurelError | None = None,
    limits: Limits | None = None,
) -> AsyncIterator[Stage]:
    serving = Serving()
    if model is not None:
        serving.serve(model)
    metrics = InferenceMetrics(serving, "price")
    reloads = FakeReloads(outcome or ReloadOutcome(Status.RELOADED, model or served_model()))
    with ThreadPoolExecutor(1) as threads:
        app = build_app(
            ServingParts(
                model_name="price",
                serving=serving,
                reloads=reloads,
                metrics=metrics,
                threads=threads,
                limits=limits or Limits(max_rows=1000, max_body_bytes=100_000, refuses_unknown=False),
                token=token,
            )
        )
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://replica") as client:
            yield Stage(client, serving, reloads, metrics, app)
