"""The way to MLflow, and to its registry of models alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from config.settings import Settings
from domain.ports.model_registry import ModelRegistry
from service.adapters.mlflow.model_registry import MlflowModelRegistry
from service.adapters.mlflow.rest import MlflowRest
from service.lifecycle.settings_values import mlflow_access


@asynccontextmanager
async def open_mlflow(settings: Settings) -> AsyncIterator[MlflowRest]:
    """Open it for the block; MLflow need not answer yet."""
    rest = MlflowRest(mlflow_access(settings))
    try:
        yield rest
    finally:
        await rest.close()


@asynccontextmanager
async def open_registry(settings: Settings) -> AsyncIterator[ModelRegistry]:
    """Open it for the block; MLflow need not answer yet."""
    async with open_mlflow(settings) as rest:
        yield MlflowModelRegistry(rest, settings.mlflow.alias)
