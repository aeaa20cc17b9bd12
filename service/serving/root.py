"""The composition root of the inference service: settings in, a server and its reloader out."""

import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from config.inference_settings import InferenceSettings
from domain.errors import Stop
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.model_cache import ModelCache
from service.adapters.mlflow.model_registry import MlflowModelRegistry
from service.adapters.mlflow.rest import MlflowRest
from service.lifecycle.preflight import Written, require_roots
from service.runtime.clock import SystemClock
from service.runtime.secret_mask import Mask
from service.runtime.web.clients import Clients
from service.runtime.web.health import PROBES, Drain
from service.runtime.web.host_and_origin import Entrance
from service.runtime.web.http_server import Server
from service.serving.app import ServingParts, build_app
from service.serving.champion import LastVerified
from service.serving.loading import ModelLoader, Verifier
from service.serving.loading_child import LoadingChild
from service.serving.predictor import Limits
from service.serving.reloading import CountedReloader, Reloader
from service.serving.served_model import Serving
from service.serving.serving_metrics import InferenceMetrics
from service.serving.unloadable import UnloadableVersions

log = structlog.get_logger("laurel.inference")

_THREADS = 2  # for requests of many rows: more would only take turns at the interpreter


@asynccontextmanager
async def open_inference(settings: InferenceSettings) -> AsyncIterator[Server]:
    """Make the server; the champion is looked for while it runs. Raises Stop for a cache it cannot write."""
    access = MlflowAccess(settings.mlflow_tracking_uri, **settings.mlflow.for_client())
    rest, serving, clock = MlflowRest(access), Serving(), SystemClock()
    metrics, folder = InferenceMetrics(serving, settings.mlflow_model_name), _cache_folder(settings)
    require_roots({}, [Written("INFERENCE__CACHE_FOLDER", folder)])
    child = LoadingChild()
    loader = ModelLoader(
        access,
        ModelCache(folder),
        clock,
        child.build,
        _verifier(settings),
        settings.inference.trusted_types,
    )
    reloader = Reloader(
        MlflowModelRegistry(rest, settings.mlflow.alias),
        loader,
        LastVerified(folder / f"last-{_model(settings)}.json"),
        UnloadableVersions(folder / f"unloadable-{_model(settings)}.json", clock),
        serving,
        settings.mlflow_model_name,
        clock,
    )
    reloads, group = CountedReloader(reloader, metrics), settings.inference
    drain = Drain(group.drain_seconds)
    with ThreadPoolExecutor(_THREADS, "many-rows") as threads:
        parts = ServingParts(
            model_name=settings.mlflow_model_name,
            serving=serving,
            reloads=reloads,
            metrics=metrics,
            threads=threads,
            limits=Limits(group.max_rows, group.max_body_bytes, group.unknown_fields == "refuse"),
            token=_token(settings),
            entrance=_entrance(settings),
            drain=drain,
        )
        try:
            yield Server(
                build_app(parts),
                reloads.watch_start,
                role="inference",
                prefix="INFERENCE",
                grace_seconds=group.grace_seconds,
                drain=drain,
            )
        finally:
            await child.stop()
            await rest.close()


def mask_of(settings: InferenceSettings) -> Mask:
    """Know every secret, so that none is written anywhere."""
    held = (settings.inference_internal_token, settings.mlflow.password, settings.mlflow.token)
    return Mask([secret.get_secret_value() for secret in held if secret is not None])


def _entrance(settings: InferenceSettings) -> Entrance:
    group = settings.inference
    clients = Clients(group.trusted_proxies)
    return Entrance(log, hosts=group.allowed_hosts, clients=clients, probes=PROBES)


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
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # a user id without a home, as containers have
        raise Stop(
            "no_cache_folder",
            "this user has no home directory for verified models: set INFERENCE__CACHE_FOLDER",
        ) from None
    return Path(base) / "laurel" / "served"


def _model(settings: InferenceSettings) -> str:
    """In the names of files: several models, or aliases, may share a cache."""
    return f"{settings.mlflow_model_name}-{settings.mlflow.alias}"
