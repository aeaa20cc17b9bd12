"""What processes that use MLflow's own library have to find in their environment."""

from typing import Final

from service.adapters.mlflow.access import MlflowAccess

_CREDENTIALS: Final = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")


def library_environment(access: MlflowAccess) -> dict[str, str]:
    """Variables for child processes: one bounded try per call, nothing cut, guessed, drawn or sent home.

    Without them the library tries seven times for two minutes each, and repeats POSTs on the way. It gets no
    credentials, not even those that stand in our own environment: it would show them to any store that an
    address leads to, and foreign models run beside it.
    """
    return {
        "MLFLOW_TRACKING_URI": access.url,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_TRUNCATE_LONG_VALUES": "false",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(max(1, round(access.timeout_seconds))),
        "MLFLOW_UV_AUTO_DETECT": "false",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        **dict.fromkeys(_CREDENTIALS, ""),
    }
