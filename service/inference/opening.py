"""The composition root of the inference service: settings in, a server and its reloader out."""

import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from config.inference_settings import InferenceSettings
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.model_cache import ModelCache
from service.adapters.mlflow.model_registry import MlflowModelRegistry
from service.adapters.mlflow.rest import MlflowRest
from service.clock import SystemClock
from service.inference.app import Parts, build_app
from service.inference.counted import CountedReloader
from service.inference.desk import Limits
from service.inference.last_verified import LastVerified
from service.inference.loading import ModelLoader, Verifier
from service.inference.loading_child import LoadingChild
from service.inference.metrics import InferenceMetrics
from service.inference.served_model import Serving
from service.roots import Written, require_roots
from service.telemetry import Mask
from service.web.server import Server

_THREADS = 2  # for requests of many rows: more would only take turns at the interpreter


@asynccontextmanager
async def open_inference(settings: InferenceSettings) -> AsyncIterator[Server]:
    """Make the server; the champion is looked for while it runs. Raises Stop for a cache it cannot write."""
    access = MlflowAccess(settings.mlflow_tracking_uri, **settings.mlflow.for_client())
    rest, serving, clock = MlflowRest(access), Serving(), SystemClock()
    metrics, folder = InferenceMetrics(serving), _cache_folder(settings)
    require_roots({}, [Written("INFERENCE__CACHE_FOLDER", folder)])
    child = LoadingChild()
    loader = ModelLoader(
        access,
        ModelCache(folder),
        clock,
        _verifier(settings),
        settings.inference.trusted_types,
        child.build,
    )
    reloader = CountedReloader(
        metrics,
        MlflowModelRegistry(rest, settings.mlflow.alias),
        loader,
        LastVerified(folder / f"{_file_name(settings)}.json"),
        serving,
        settings.mlflow_model_name,
        clock,
    )
    group = settings.inference
    with ThreadPoolExecutor(_THREADS, "many-rows") as threads:
        parts = Parts(
            model_name=settings.mlflow_model_name,
            serving=serving,
            reloads=reloader,
            metrics=metrics,
            threads=threads,
            limits=Limits(group.max_rows, group.max_body_bytes, group.unknown_fields == "refuse"),
            token=_token(settings),
        )
        try:
            yield Server(
                build_app(parts),
                reloader.watch_start,
                role="inference",
                prefix="INFERENCE",
                grace_seconds=group.grace_seconds,
            )
        finally:
            await child.stop()
            await rest.close()


def mask_of(settings: InferenceSettings) -> Mask:
    """Know every secret, so that none is written anywhere."""
    held = (settings.inference_internal_token, settings.mlflow.password, settings.mlflow.token)
    return Mask([secret.get_secret_value() for secret in held if secret is not None])


def _verifier(settings: InferenceSettings) -> Verifier | None:
    """With a key, what it did not sign is refused. Raises Stop for a file that holds no key."""
    file = settings.inference.verification_key_file
    if file is None:
        return None
    from service.adapters.cryptography.ed25519 import Ed25519Verifier  # noqa: PLC0415 - few set a key

    return Ed25519Verifier(file)


def _token(settings: InferenceSettings) -> str | None:
    token = settings.inference_internal_token
    return token.get_secret_value() if token else None


def _cache_folder(settings: InferenceSettings) -> Path:
    if settings.inference.cache_folder is not None:
        return settings.inference.cache_folder
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "laurel" / "served"


def _file_name(settings: InferenceSettings) -> str:
    """Several models, or aliases, may share a cache."""
    return f"last-{settings.mlflow_model_name}-{settings.mlflow.alias}"
