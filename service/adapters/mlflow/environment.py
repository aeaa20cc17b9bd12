"""What processes that use MLflow's own library have to find in their environment."""

from service.adapters.mlflow.access import MlflowAccess


def library_environment(access: MlflowAccess) -> dict[str, str]:
    """Variables for child processes: one bounded try per call, nothing cut, guessed, drawn or sent home.

    Without them the library tries seven times for two minutes each, and repeats POSTs on the way.
    """
    credentials = {
        "MLFLOW_TRACKING_USERNAME": access.username,
        "MLFLOW_TRACKING_PASSWORD": access.password,
        "MLFLOW_TRACKING_TOKEN": access.token,
    }
    return {
        "MLFLOW_TRACKING_URI": access.url,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_TRUNCATE_LONG_VALUES": "false",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(max(1, round(access.timeout_seconds))),
        "MLFLOW_UV_AUTO_DETECT": "false",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        **{name: value for name, value in credentials.items() if value is not None},
    }
