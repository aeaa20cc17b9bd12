"""Replicas of `laurel inference` beside each other, ended with the block."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from service.local.servers.ports import free_port
from service.local.servers.role import EmbeddedRole, inference_replica


@contextmanager
def replicas(
    count: int, folder: Path, tracking_uri: str, model_name: str, token: str, **more: str
) -> Iterator[list[EmbeddedRole]]:
    """Start some, each with a cache of its own, and wait until all serve."""
    environment: Mapping[str, str] = {
        "MLFLOW_TRACKING_URI": tracking_uri,
        "MLFLOW_MODEL_NAME": model_name,
        "INFERENCE_INTERNAL_TOKEN": token,
        **more,
    }
    with ExitStack() as stack:
        started = []
        for number in range(count):
            role = inference_replica(folder / f"replica-{number}", free_port(), environment)
            stack.callback(role.stop)
            role.start()
            started.append(role)
        for role in started:
            role.wait_ready()
        yield started
